"""Adaptive average pooling whose backward pass is deterministic on every device."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class AdaptiveAverage(nn.AdaptiveAvgPool2d):
    """Average pooling to a fixed size, with PyTorch's windows.

    On a GPU, PyTorch's backward pass adds the gradients of overlapping windows by atomic
    operations, in an order that differs from run to run, and refuses to run deterministically.
    There, the windows are averaged by two matrix products instead, over rows and over columns.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, *output_size)."""
        height, width = self._output_size(x)
        if not x.is_cuda or (height, width) == (1, 1):  # then it is a mean
            return super().forward(x)
        return average_by_products(x, height, width)

    def _output_size(self, x: Tensor) -> tuple[int, int]:
        size = self.output_size
        height, width = (size, size) if isinstance(size, int) or size is None else size
        return height or x.shape[-2], width or x.shape[-1]


def average_by_products(x: Tensor, height: int, width: int) -> Tensor:
    """Map (N, C, H, W) to (N, C, `height`, `width`), computed in float32 or, if x is, float64."""
    with torch.autocast(x.device.type, enabled=False):
        values = x if x.dtype == torch.float64 else x.float()
        rows = _windows(x.shape[-2], height, values)
        columns = _windows(x.shape[-1], width, values)
        return (rows @ values @ columns.T).to(x.dtype)


def _windows(length: int, count: int, like: Tensor) -> Tensor:
    """Return (count, length): row i averages over window i, ⌊iL/n⌋ to ⌈(i+1)L/n⌉ of length L."""
    place = torch.arange(length, device=like.device)
    window = torch.arange(count, device=like.device)[:, None]
    first, end = window * length // count, -((-(window + 1) * length) // count)
    inside = (first <= place) & (place < end)
    return inside.to(like.dtype) / (end - first)


def replace_adaptive_averages(network: nn.Module) -> None:
    """Put an `AdaptiveAverage` in the place of each of PyTorch's in `network`."""
    for name, module in network.named_children():
        if type(module) is nn.AdaptiveAvgPool2d:
            setattr(network, name, AdaptiveAverage(module.output_size))
        else:
            replace_adaptive_averages(module)
