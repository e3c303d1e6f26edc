"""Normalisation layers, each built with the number of channels.

`bias_before` is true if the convolution before the layer has a bias.
"""

from __future__ import annotations

import math

from torch import Tensor, nn

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.ranges import Positive, Size


class Batch(nn.BatchNorm2d):
    """Batch normalisation (Ioffe & Szegedy 2015)."""

    def __init__(self, channels: int, eps: Positive = 1e-5, bias_before: bool = False) -> None:
        super().__init__(channels, eps)
        self.bias_before = bias_before


class Group(nn.GroupNorm):
    """Group normalisation (Wu & He 2018) with gcd(groups, channels) groups."""

    bias_before = False

    def __init__(self, channels: int, groups: Size = 8) -> None:
        super().__init__(math.gcd(groups, channels), channels)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape.

        Raises:
            ConfigError: if a group has one value, which normalisation would make zero.
        """
        channels, height, width = x.shape[1:]
        if channels * height * width == self.num_groups:
            raise ConfigError(
                f"norm.groups: a feature map of {channels} channels and {height}×{width} pixels "
                f"has one value in each of {self.num_groups} groups, which normalisation makes "
                "zero: lower norm.groups, or choose larger images or fewer stages"
            )
        return super().forward(x)


class Layer(nn.LayerNorm):
    """Normalisation of the channels at each pixel (Ba et al. 2016; Liu et al. 2022)."""

    bias_before = True

    def __init__(self, channels: int, eps: Positive = 1e-6) -> None:
        if channels == 1:
            raise ConfigError(
                "norm=layer makes a map of 1 channel zero: choose norm=group or batch, or "
                "other widths"
            )
        super().__init__(channels, eps)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class Unnormalised(nn.Identity):
    """No normalisation: the convolution before it has a bias."""

    bias_before = True

    def __init__(self, channels: int) -> None:
        super().__init__()
