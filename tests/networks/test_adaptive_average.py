"""Adaptive averages by matrix products are PyTorch's."""

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from cnn_anatomy.networks.adaptive_average import (
    AdaptiveAverage,
    average_by_products,
    replace_adaptive_averages,
)

SIDE = st.integers(1, 17)


@given(SIDE, SIDE, SIDE, SIDE)
def test_the_windows_are_pytorchs(h, w, height, width):
    x = torch.randn(2, 3, h, w, dtype=torch.float64, requires_grad=True)
    ours = average_by_products(x, height, width)
    pytorchs = F.adaptive_avg_pool2d(x, (height, width))
    torch.testing.assert_close(ours, pytorchs)
    weights = torch.randn_like(ours)
    (gradient,) = torch.autograd.grad((ours * weights).sum(), x)
    (expected,) = torch.autograd.grad((pytorchs * weights).sum(), x)
    torch.testing.assert_close(gradient, expected)


def test_bfloat16_is_averaged_in_float32():
    x = torch.randn(2, 3, 13, 11).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        average = average_by_products(x, 4, 4)
    assert average.dtype == torch.bfloat16
    assert torch.equal(average, average_by_products(x.float(), 4, 4).bfloat16())


@pytest.mark.parametrize("size", [4, (4, 3), (None, 3), 1])
def test_a_network_gets_them_for_pytorchs_own(size):
    network = nn.Sequential(nn.Sequential(nn.AdaptiveAvgPool2d(size)), nn.Identity())
    x = torch.randn(1, 2, 9, 8)
    expected = network(x)
    replace_adaptive_averages(network)
    assert isinstance(network[0][0], AdaptiveAverage)
    assert torch.equal(network(x), expected)
    height, width = expected.shape[-2:]
    assert network[0][0]._output_size(x) == (height, width)
    torch.testing.assert_close(average_by_products(x, height, width), expected)
