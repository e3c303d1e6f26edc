"""Closed-form values of what the probes compute."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.nn import Identity, ModuleDict

from cnn_anatomy.networks import Composed
from cnn_anatomy.networks.cost import macs, parameter_count
from cnn_anatomy.networks.interface import weight_layers
from cnn_anatomy.probes.gradients import decay
from cnn_anatomy.probes.shift import ShiftProbe
from cnn_anatomy.training.build import build_classifier
from cnn_anatomy.training.run_spec import RunSpec


@given(st.integers(2, 110), st.floats(-4, 4), st.floats(-6, 2))
def test_decay_is_the_slope_in_decades(layers, slope, level):
    depth = np.linspace(0, 1, layers)
    assert decay(10 ** (level + slope * depth)) == pytest.approx(slope, abs=1e-6)


def test_decay_leaves_out_layers_without_a_gradient():
    rms = np.array([np.nan, 0.0, 1e-2, 1e-1, 1e0])
    assert decay(rms) == pytest.approx(4)
    assert np.isnan(decay(np.array([np.nan, 1.0])))


@pytest.mark.parametrize(
    ("name", "stage"),
    [("stem.conv", 0), ("stages.0.1.first.conv", 1), ("stages.2.0", 3), ("head.classifier", -1)],
)
def test_stage_of_a_layer(name, stage):
    assert Composed(Identity(), [], Identity(), ModuleDict()).stage_of(name) == stage


def test_translations_reach_every_offset_and_no_further():
    probe = ShiftProbe(reach=2)
    image = torch.zeros(1, 1, 9, 9)
    image[0, 0, 4, 4] = 1
    generator = torch.Generator().manual_seed(0)
    offsets = set()
    for _ in range(400):
        moved = probe.translate(image, generator)
        assert moved.shape == image.shape
        assert moved.sum() == 1
        y, x = divmod(int(moved.argmax()), 9)
        offsets.add((y - 4, x - 4))
    assert offsets == {(y, x) for y in range(-2, 3) for x in range(-2, 3)}


def test_cost_leaves_the_auxiliary_heads_out(small, digits):
    plain = build_classifier(RunSpec.of(small("model.depth=8")), digits)[0].network
    aided = build_classifier(RunSpec.of(small("model.depth=8", "aux=heads")), digits)[0].network
    image = digits.load().train.images[:1].float()
    assert macs(plain, image) == macs(aided, image) > 0
    assert parameter_count(aided) - parameter_count(aided.auxiliary) == parameter_count(plain)
    assert [n for n, _ in weight_layers(aided, image)] == [
        n for n, _ in weight_layers(plain, image)
    ]
