"""Channel attention: scales each channel of a block's F(x) by a number that follows from all.

An attention is built with the number of channels and maps (N, C, H, W) to the same shape.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from cnn_anatomy.core.ranges import Size
from cnn_anatomy.networks.layers import Factory


class NoAttention(nn.Identity):
    """F(x) as it is."""

    def __init__(self, channels: int) -> None:
        super().__init__()


class SqueezeExcitation(nn.Module):
    """σ(W₂ f(W₁ mean(x))) · x, where W₁ reduces C to C // `reduction` (Hu et al. 2018).

    f is the `activation`: a ReLU in the paper.
    """

    def __init__(self, channels: int, reduction: Size = 16, activation: Factory = nn.ReLU) -> None:
        super().__init__()
        squeezed = max(channels // reduction, 1)
        self.weigh = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(channels, squeezed, 1),
            activation(),
            nn.Conv2d(squeezed, channels, 1),
            nn.Sigmoid(),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return x * self.weigh(x)


class EfficientAttention(nn.Module):
    """σ(k-wide convolution of the channels' means) · x: ECA (Wang et al. 2020).

    k is (log₂ C + 1) / 2 rounded down, and one more if that is even (their equation 12).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        width = int((math.log2(channels) + 1) / 2)
        kernel = width if width % 2 else width + 1
        self.conv = nn.Conv1d(1, 1, kernel, padding=kernel // 2, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        means = x.mean((2, 3))[:, None]
        return x * self.conv(means).sigmoid().transpose(1, 2)[..., None]
