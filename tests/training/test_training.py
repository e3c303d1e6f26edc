"""What training must leave alone, and what it must not depend on."""

import shutil

import lightning.pytorch as pl
import pytest
import torch
from hydra.utils import instantiate

from cnn_anatomy.config.run_key import run_key
from cnn_anatomy.config.source_network import source_config
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.classifier import MeanLoss
from cnn_anatomy.training.fit import compiled
from cnn_anatomy.training.run_spec import RunSpec
from cnn_anatomy.training.transfer import copy_weights


def trained(config, *, probes=True):
    """Train without a tracking store.

    Return the classifier, the network's state before, the probes and the counts.
    """
    spec = RunSpec.of(config)
    config, data = spec.config, build_data(spec)
    classifier, counts = build_classifier(spec, data)
    before = {k: v.clone() for k, v in classifier.network.state_dict().items()}
    callbacks = dict(instantiate(config.probes)) if probes else {}
    trainer = pl.Trainer(
        **config.trainer,
        logger=False,
        callbacks=list(callbacks.values()),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    pl.seed_everything(config.seed, verbose=False)
    trainer.fit(classifier, datamodule=data)
    return classifier, before, callbacks, counts


@pytest.mark.parametrize(
    ("freeze", "layers"),
    [
        (("freeze=layers", "freeze.layers=3"), 3),
        (("freeze=stages", "freeze.stages=2"), 5),
        (("freeze=feature_extraction",), 7),
    ],
    ids=["layers", "stages", "feature_extraction"],
)
def test_frozen_weights_and_statistics_stay_bit_for_bit(small, freeze, layers):
    config = small("model.depth=8", "trainer.max_epochs=2", *freeze)
    classifier, before, _, counts = trained(config)
    after = classifier.network.state_dict()
    frozen = {name for m in classifier.frozen for name in _names(classifier.network, m)}
    assert counts["freeze.layers"] == layers
    assert any(name.endswith("running_var") for name in frozen)
    for name, value in after.items():
        same = torch.equal(value, before[name])
        assert same if name in frozen else not same, name


def test_the_loss_is_the_mean_over_images_and_hides_no_divergence():
    meter = MeanLoss()
    for loss, size in ((2.0, 11), (4.0, 10), (0.0, 0)):
        meter.update(torch.tensor(loss), size)
    assert meter.compute() == pytest.approx((2 * 11 + 4 * 10) / 21)
    meter.update(torch.tensor(float("nan")), 1)
    assert meter.compute().isnan()


def test_probes_change_nothing(small):
    config = small("model.depth=8", "aux=heads")  # dropout: the generator's state counts, too
    with_probes, *_ = trained(config.copy())
    without, *_ = trained(config.copy(), probes=False)
    for a, b in zip(
        with_probes.network.state_dict().values(),
        without.network.state_dict().values(),
        strict=True,
    ):
        assert torch.equal(a, b)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler")
def test_compiled_gradients_are_the_same_up_to_rounding(small):
    config = small("model.depth=8", "compile=true")
    assert run_key(config) != run_key(small("model.depth=8"))
    spec = RunSpec.of(config)
    data = build_data(spec)
    classifier, _ = build_classifier(spec, data)
    images, labels = next(iter(data.train_dataloader()))

    def gradients():
        classifier.zero_grad()
        torch.nn.functional.cross_entropy(classifier(images), labels).backward()
        return {name: weight.grad.clone() for name, weight in classifier.named_parameters()}

    plain = gradients()
    with compiled(classifier.network):
        again = gradients()
    assert again.keys() == plain.keys()
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient, rtol=1e-3, atol=1e-5)
    assert classifier.network.forward.__func__ is type(classifier.network).forward


def test_gradients_are_recorded_in_forward_order_from_the_untrained_network_on(small):
    config = small("model.depth=8", "probes.gradients.every=1")
    _, _, probes, _ = trained(config)
    frame = probes["gradients"].frame()
    assert sorted(frame.epoch.unique()) == [-1, 0]
    assert frame.groupby(["epoch", "step"]).size().tolist() == [8] * 3  # 2 steps and step 0
    first = frame[frame.epoch == -1]
    assert first.name.iloc[0].startswith("stem")
    assert first.name.iloc[-1] == "head.classifier"
    assert (first.rms > 0).all()
    assert first.depth.iloc[[0, -1]].tolist() == [0, 1]


def test_frozen_layers_have_no_gradient_to_record(small):
    _, _, probes, _ = trained(small("model.depth=8", "freeze=layers", "freeze.layers=3"))
    frame = probes["gradients"].frame()
    assert frame[frame.layer < 3].rms.isna().all()
    assert frame[frame.layer >= 3].rms.notna().all()


def test_same_seed_gives_the_same_weights_and_another_does_not(small):
    one, *_ = trained(small("model.depth=8"))
    same, *_ = trained(small("model.depth=8"))
    other, *_ = trained(small("model.depth=8", "seed=1"))
    name = "head.classifier.weight"
    assert torch.equal(one.network.state_dict()[name], same.network.state_dict()[name])
    assert not torch.equal(one.network.state_dict()[name], other.network.state_dict()[name])


def test_a_source_network_is_the_runs_own_but_for_its_task(small):
    words = ("transfer=classes", "data.classes=[5,6,7,8,9]", "freeze=layers", "seed=3")
    spec = RunSpec.of(small(*words), {"freeze": "layers", "transfer": "classes", "norm": "batch"})
    source = spec.source()
    assert source.config.data.classes == [0, 1, 2, 3, 4]
    assert source.config.seed == source.config.data.seed == 1003  # one for each seed
    assert source.config.model == spec.config.model
    assert source.choices == {"freeze": "none", "transfer": "none", "norm": "batch"}
    assert source.tags["kind"] == "source"
    assert source.key != spec.key
    more_frozen = RunSpec.of(small(*words, "freeze.layers=5"))
    assert more_frozen.source().key == source.key  # shared, however much is frozen
    assert source_config(small()) is None


def test_only_weights_that_fit_are_copied(small, digits):
    def network_of(*words):
        return build_classifier(RunSpec.of(small(*words)), digits)[0].network

    network, other = network_of("model.depth=8"), network_of("model.depth=8", "seed=1")
    copy_weights(network, other.state_dict())
    assert torch.equal(next(network.stages.parameters()), next(other.stages.parameters()))
    assert not torch.equal(network.head.classifier.weight, other.head.classifier.weight)
    deeper = network_of("model.depth=14")
    with pytest.raises(
        ConfigError, match=r"transfer\.source: the checkpoint does not fit this network: stages"
    ):
        copy_weights(network, deeper.state_dict())


def _names(network, module):
    """Return the names of a module's weights and statistics in the network's state."""
    (prefix,) = [name for name, m in network.named_modules() if m is module]
    return [f"{prefix}.{name}" for name in module.state_dict()]
