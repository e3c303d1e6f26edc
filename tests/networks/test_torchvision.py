"""Every classification network of torchvision trains a step, with probes and frozen layers."""

import pytest
import torchvision
from steps import EVERY, stepped

NAMES = torchvision.models.list_models(module=torchvision.models)
# Sides of images, in pixels, of those that don't take small ones.
SIDES = {"inception_v3": 96, "maxvit_t": 224, "vit_h_14": 56}


@pytest.mark.slow
@pytest.mark.usefixtures("networks_released")
@pytest.mark.parametrize("name", NAMES)
def test_a_step_with_probes_and_frozen_layers(tmp_path, name):
    side = f"model.resize={SIDES.get(name, 64)}"
    words = ("model=torchvision", f"model.name={name}", side, "freeze=layers", "freeze.layers=3")
    classifier, counts, metrics = stepped(tmp_path, *words)
    assert counts["freeze.layers"] == 3
    assert metrics.keys() >= EVERY
    assert len(classifier.network.stages) >= 2
    assert sum(not p.requires_grad for p in classifier.network.parameters()) >= 3
