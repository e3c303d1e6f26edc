"""A frozen prefix runs once, and nothing but the time shows it."""

from types import SimpleNamespace

import pytest
import torch

from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.fit import fit
from cnn_anatomy.training.frozen_prefix import frozen_stages
from cnn_anatomy.training.run_spec import RunSpec

FROZEN = ("freeze=feature_extraction", "data.augment=null", "trainer.max_epochs=2")


@pytest.fixture
def trained(small, tmp_path):
    """Return a function that trains and returns metrics, weights and how often the stem ran."""

    def train(*overrides):
        words = ("model.depth=8", "trainer.precision=32-true", f"paths.cache={tmp_path}")
        spec = RunSpec.of(small(*words, *overrides))
        data = build_data(spec)
        classifier, _ = build_classifier(spec, data)
        calls = []
        classifier.network.stem.register_forward_hook(lambda *_: calls.append(classifier.training))
        metrics, weights = fit(spec, classifier, data, logger=None)
        return SimpleNamespace(metrics=metrics, weights=weights, steps=sum(calls))

    return train


@pytest.mark.parametrize("freeze", ["freeze=feature_extraction", "freeze=stages"])
@pytest.mark.parametrize("without", ["callbacks.frozen_prefix.limit=0", "~callbacks.frozen_prefix"])
def test_the_results_are_the_same(trained, freeze, without):
    cached = trained(*FROZEN, freeze)
    repeated = trained(*FROZEN, freeze, without)
    assert cached.steps < repeated.steps
    for name, value in repeated.metrics.items():
        if not name.startswith("speed/"):
            assert cached.metrics[name] == value, name
    assert all(torch.equal(cached.weights[k], repeated.weights[k]) for k in repeated.weights)


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
    classifier, _ = build_classifier(RunSpec.of(small("model.depth=8", *overrides)), digits)
    assert frozen_stages(classifier.train().network) == after


def test_activations_of_augmented_images_are_not_cached(trained):
    augmented = trained("freeze=feature_extraction", "trainer.max_epochs=2")
    assert augmented.steps >= 4  # two batches an epoch
