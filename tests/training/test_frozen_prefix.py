"""A frozen prefix runs once, and nothing but the time shows it."""

from types import SimpleNamespace

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf

from cnn_anatomy.training import fit as training
from cnn_anatomy.training.build import build
from cnn_anatomy.training.fit import fit
from cnn_anatomy.training.frozen_prefix import RememberPrefix, frozen_stages

FROZEN = ("freeze=feature_extraction", "data.augment=null", "trainer.max_epochs=2")


@pytest.fixture
def trained(small, tmp_path, monkeypatch):
    """Return a function that trains and returns metrics, weights and how often the stem ran."""

    def train(*overrides, remember=True):
        from lightning.pytorch.loggers import CSVLogger

        limit = 2**30 if remember else 0
        monkeypatch.setattr(training, "RememberPrefix", lambda: RememberPrefix(limit))
        monkeypatch.setattr(training, "log_dataset", lambda *_: None)
        config = small("model.depth=8", "trainer.precision=32-true", *overrides)
        config.paths.cache = str(tmp_path / f"cache{remember}")
        OmegaConf.resolve(config)
        data = instantiate(config.data, _convert_="all")
        classifier, _ = build(config, data)
        ran = []
        classifier.network.stem.register_forward_hook(lambda *_: ran.append(classifier.training))
        logger = CSVLogger(tmp_path)
        logger.run_id = "run"
        logger.log_folder = lambda _: None
        metrics, weights = fit(config, classifier, data, logger)
        return SimpleNamespace(metrics=metrics, weights=weights, steps=sum(ran))

    return train


@pytest.mark.parametrize("freeze", ["freeze=feature_extraction", "freeze=stages"])
def test_the_results_are_the_same(trained, freeze):
    once = trained(*FROZEN, freeze)
    each = trained(*FROZEN, freeze, remember=False)
    assert once.steps < each.steps
    for name, value in each.metrics.items():
        if not name.startswith("speed/"):
            assert once.metrics[name] == value, name
    assert all(torch.equal(once.weights[k], each.weights[k]) for k in each.weights)


@pytest.mark.parametrize(
    ("overrides", "after"),
    [
        ((), None),
        (("freeze=layers", "freeze.layers=1"), 0),
        (("freeze=layers", "freeze.layers=3"), 1),
        (("freeze=stages", "freeze.stages=2"), 2),
        (("freeze=stages", "freeze.stages=2", "aux=heads"), 0),
        (("freeze=feature_extraction",), 3),
        (("freeze=feature_extraction", "pooling=stochastic"), 1),
    ],
)
def test_where_the_prefix_ends(small, digits, overrides, after):
    config = small("model.depth=8", *overrides)
    OmegaConf.resolve(config)
    classifier, _ = build(config, digits)
    assert frozen_stages(classifier.train().network) == after


def test_augmented_images_are_not_remembered(trained):
    augmented = trained("freeze=feature_extraction", "trainer.max_epochs=2")
    assert augmented.steps >= 4  # two batches an epoch
