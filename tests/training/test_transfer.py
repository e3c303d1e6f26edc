"""Where first weights come from: a file, an MLflow run; and what is thawed on the way."""

import shutil
from typing import Any

import lightning.pytorch as pl
import pytest
import torch
from hydra import compose, initialize_config_dir
from mlflow import MlflowClient

from cnn_anatomy.config.run_key import run_key
from cnn_anatomy.config.saved_config import data_changes, require_same_network
from cnn_anatomy.config.validation import check_config
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import CONF
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


def checked(*words):
    """Check a configuration as the command does, before it imports PyTorch."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", list(words), return_hydra_config=True)
    check_config(config, config.hydra.runtime.choices)


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

    other = (*task, "activation=gelu")
    with pytest.raises(ConfigError, match=r"activation is ReLU in the config\.yaml beside .* GELU"):
        prepared(small(*other, "transfer=run", f"transfer.source=runs:/{stored.info.run_id}"))
    client.download_artifacts(stored.info.run_id, "config.yaml", str(tmp_path))
    with pytest.raises(ConfigError, match=r"activation is ReLU in the config\.yaml beside .* GELU"):
        checked(*other, "model.width=4", "transfer=checkpoint", f"transfer.source={path}")


SAVED: dict[str, Any] = {
    "_target_": "cnn_anatomy.networks.families.resnet",
    "depth": 20,
    "pooling": {"_target_": "cnn_anatomy.networks.pooling.BlurMax", "size": 3},
    "skip": {"_target_": "cnn_anatomy.networks.skip.Identity"},
    "head": {"_target_": "cnn_anatomy.networks.heads.GlobalAverage"},
}


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("pooling", {"_target_": "cnn_anatomy.networks.pooling.Max"}, "pooling is BlurMax .* Max"),
        ("pooling", {**SAVED["pooling"], "size": 5}, r"pooling\.size is 3 in .* and 5 here"),
        ("skip", {"_target_": "cnn_anatomy.networks.skip.Plain"}, "skip is Identity in .* Plain"),
        ("depth", 32, r"model\.depth is 20 in .* and 32 here"),
    ],
)
def test_weights_of_a_network_with_other_parts_are_refused_by_key_and_both_values(
    key, value, message
):
    require_same_network({"model": SAVED}, {"model": SAVED}, "weights.pt")
    with pytest.raises(ConfigError, match=message):
        require_same_network({"model": SAVED}, {"model": {**SAVED, key: value}}, "weights.pt")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("head", {"_target_": "cnn_anatomy.networks.heads.Flatten"}),
        ("skip", {"_target_": "cnn_anatomy.networks.other.Identity", "scale": 1}),
    ],
)
def test_a_transfer_may_change_the_head_and_files_may_move(key, value):
    require_same_network({"model": SAVED}, {"model": {**SAVED, key: value}}, "weights.pt")


def test_data_differ_in_what_an_evaluation_depends_on():
    source = {"_target_": "cnn_anatomy.data.own.OwnDataset", "size": 24, "cache": "/here"}
    saved = {"data": {"source": source, "batch_size": 32, "seed": 0, "train_limit": None}}
    asked = {"data": {"source": {**source, "size": 32, "cache": "/there"}}}
    asked["data"] |= {"batch_size": 64, "seed": 1, "train_limit": 100}
    changes = ["data.source.size 24 → 32", "data.train_limit None → 100"]
    assert data_changes(saved, asked) == changes


def test_a_file_without_our_configuration_is_told_to_be_unverified(small, tmp_path, capsys):
    path = tmp_path / "alone.pt"
    torch.save(prepared(small("model.depth=8")).state_dict(), path)
    (tmp_path / "config.yaml").write_text("model: {name: someone else's}\n")
    words = ("model.depth=8", "transfer=checkpoint", f"transfer.source={path}")
    checked(*words)
    prepared(small(*words))
    assert "alone.pt has no config.yaml of ours beside it" in capsys.readouterr().err


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
