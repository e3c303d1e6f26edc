"""Where first weights come from: a file, an MLflow run; and what is thawed on the way."""

import shutil

import lightning.pytorch as pl
import pytest
import torch
from mlflow import MlflowClient

from cnn_anatomy.config.run_key import run_key
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.run import run
from cnn_anatomy.training.run_spec import RunSpec
from cnn_anatomy.training.transfer import transfer_weights


def prepared(config):
    """Return the network that a run of `config` starts with."""
    spec = RunSpec.of(config)
    data = build_data(spec)
    classifier, _ = build_classifier(spec, data)
    transfer_weights(spec, classifier.network, data)
    return classifier.network


def test_a_run_gives_its_weights_to_another_task(small, tmp_path, uri):
    store = f"tracking.uri={uri}"
    run(RunSpec.of(small("model.depth=8", store)))
    client = MlflowClient(uri)
    (stored,) = client.search_runs([client.get_experiment_by_name("adhoc").experiment_id])
    path = client.download_artifacts(stored.info.run_id, "weights.pt", str(tmp_path))
    weights = torch.load(path, weights_only=True)

    task = ("model.depth=8", "data.classes=[5,6,7]", store)
    from_run = prepared(
        small(*task, "transfer=run", f"transfer.source=runs:/{stored.info.run_id}")
    ).state_dict()
    from_file = prepared(
        small(*task, "transfer=checkpoint", f"transfer.source={path}", "transfer.layers=3")
    ).state_dict()
    fresh = prepared(small(*task)).state_dict()
    for name, value in from_run.items():
        task_own = name.startswith("head.classifier")
        assert torch.equal(value, (fresh if task_own else weights)[name]), name
    assert torch.equal(from_file["stem.conv.weight"], weights["stem.conv.weight"])
    last = "stages.2.0.residual.1.weight"
    assert torch.equal(from_file[last], fresh[last])
    assert not torch.equal(from_run[last], fresh[last])
    with pytest.raises(ConfigError, match=r"transfer\.source=runs:/0a1b has no weights\.pt"):
        prepared(small(*task, "transfer=run", "transfer.source=runs:/0a1b"))


def test_what_a_file_holds_counts_not_its_path(small, tmp_path):
    def key(name):
        return run_key(small("transfer=checkpoint", f"transfer.source={tmp_path / name}"))

    torch.save({"stem.0.weight": torch.tensor(1.0)}, tmp_path / "a.pt")
    first = key("a.pt")
    shutil.copy(tmp_path / "a.pt", tmp_path / "b.pt")
    torch.save({"stem.0.weight": torch.tensor(2.0)}, tmp_path / "a.pt")
    assert key("b.pt") == first != key("a.pt")


class Watch(pl.Callback):
    """Keeps which parts had a gradient or moving statistics at each step."""

    def __init__(self):
        self.trained = []

    def on_before_optimizer_step(self, trainer, module, optimizer):
        parts = [module.network.stem, *module.network.stages, module.network.head]
        self.trained.append(
            [
                any(p.grad is not None for p in part.parameters())
                and all(m.training for m in part.modules())
                for part in parts
            ]
        )


def test_stages_are_thawed_from_the_last_to_the_stem(small):
    words = ("model.depth=8", "freeze=gradual", "freeze.until=0.5", "trainer.max_epochs=4")
    spec = RunSpec.of(small(*words, "data.augment=null", "optimizer.weight_decay=0.1"))
    data = build_data(spec)
    classifier, counts = build_classifier(spec, data)
    assert counts["freeze.layers"] == 7
    before = {k: v.clone() for k, v in classifier.network.state_dict().items()}
    watch = Watch()
    trainer = pl.Trainer(
        **spec.config.trainer,
        logger=False,
        callbacks=[watch],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(classifier, datamodule=data)
    assert [sum(step) for step in watch.trained] == [1, 2, 3, 4, 5, 5, 5, 5]
    assert all(step == sorted(step) for step in watch.trained)  # the last parts first
    after = classifier.network.state_dict()
    assert all(not torch.equal(after[k], before[k]) for k in before)
