"""Closed-form values of the poolings."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cnn_anatomy.networks import pooling

WINDOW = torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]])


@pytest.mark.parametrize(
    ("kind", "value"),
    [
        (pooling.Max, 4.0),
        (pooling.Average, 2.5),
        (pooling.Lp, (30 / 4) ** 0.5),
        (pooling.Stochastic, 3.0),  # in evaluation Σx² / Σx
        (pooling.Mixed, 3.25),
        (pooling.GatedPooling, 3.25),
    ],
)
def test_one_window(kind, value):
    assert kind(1).eval()(WINDOW).item() == pytest.approx(value, rel=1e-5)


def test_stochastic_draws_in_proportion():
    torch.manual_seed(0)
    drawn = pooling.Stochastic(1).train()(WINDOW.repeat(20_000, 1, 1, 1))
    assert drawn.mean().item() == pytest.approx(3.0, abs=0.05)
    assert set(drawn.unique().tolist()) == {1.0, 2.0, 3.0, 4.0}


@pytest.mark.parametrize("size", [2, 3, 4, 5])
def test_blur_keeps_a_constant_and_is_a_row_of_pascal(size):
    blur = pooling.Blur(2, size=size)
    assert torch.allclose(blur(torch.full((1, 2, 8, 8), 3.0)), torch.tensor(3.0))
    rows = {2: [1, 1], 3: [1, 2, 1], 4: [1, 3, 3, 1], 5: [1, 4, 6, 4, 1]}
    row = torch.tensor(rows[size], dtype=torch.float)
    assert torch.allclose(blur.kernel[0, 0], torch.outer(row, row) / row.sum() ** 2)


@given(st.sampled_from([4, 6, 8, 16]), st.integers(1, 3))
def test_every_pooling_halves(size, channels):
    x = torch.rand(2, channels, size, size)
    for kind in (
        pooling.Max,
        pooling.Average,
        pooling.Lp,
        pooling.Stochastic,
        pooling.Mixed,
        pooling.GatedPooling,
        pooling.BlurMax,
        pooling.BlurStrided,
    ):
        assert kind(channels)(x).shape == (2, channels, size // 2, size // 2)
