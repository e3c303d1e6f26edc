"""Normalisation: every class takes the number of channels; `bias` says if the convolution before
it keeps a bias of its own."""  # noqa: D205, D209

from __future__ import annotations

import math

from torch import nn

from cnn_anatomy.core.ranges import Positive, Size


class Batch(nn.BatchNorm2d):
    """Batch normalisation (Ioffe & Szegedy 2015)."""

    def __init__(self, channels: int, eps: Positive = 1e-5, bias_before: bool = False) -> None:
        super().__init__(channels, eps)
        self.bias_before = bias_before


class Group(nn.GroupNorm):
    """Group normalisation (Wu & He 2018); fewer groups where the channels do not divide."""

    bias_before = False

    def __init__(self, channels: int, groups: Size = 8) -> None:
        super().__init__(math.gcd(groups, channels), channels)


class Unnormalised(nn.Identity):
    """No normalisation: the convolution before it keeps its bias."""

    bias_before = True

    def __init__(self, channels: int) -> None:
        super().__init__()
