"""Blocks around a convolution of each channel by itself, as `blocks` describes them."""

from __future__ import annotations

from typing import Any

from torch import nn

from cnn_anatomy.config.constraints import check_block_groups
from cnn_anatomy.core.ranges import Size
from cnn_anatomy.networks.blocks import Block, Width
from cnn_anatomy.networks.layers import ConvNormAct, Factory, convolution, sized
from cnn_anatomy.networks.pooling import conv_stride


class ConvNeXt(Block):
    """Depthwise convolution and norm, then 1×1 to `expansion` times the width and back.

    Liu et al. 2022, figure 4: an activation comes between the 1×1 convolutions alone, which both
    have a bias, and nothing follows the addition.
    """

    convolutions = 3
    depthwise = True

    def __init__(
        self,
        channels: int,
        width: Width,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
        expansion: Size = 4,
    ) -> None:
        width, kernel = sized(width)
        pool, normal = pooling(channels), norm(channels)
        residual = nn.Sequential(
            convolution(channels, channels, kernel, normal, conv_stride(pool), channels),
            normal,
            pool,
            nn.Conv2d(channels, width * expansion, 1),
            activation(),
            nn.Conv2d(width * expansion, width, 1),
        )
        joined = skip(channels, width, pooling=pooling, norm=norm)
        super().__init__(residual, joined, nn.Identity(), width)


class ShuffleUnit(Block):
    """1×1 within groups to a quarter of the width, shuffle, depthwise, 1×1 within groups.

    Zhang et al. 2018, figure 2. An activation follows the depthwise convolution, too, as in
    kuangliu/pytorch-cifar. The first 1×1 convolution has `entering` groups, by default `groups`: 1
    in the paper's first unit.

    Raises:
        ConfigError: if the groups do not divide a convolution's channels.
    """

    convolutions = 3
    depthwise = True

    def __init__(
        self,
        channels: int,
        width: Width,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
        groups: Size = 2,
        entering: Size | None = None,
    ) -> None:
        width, kernel = sized(width)
        hidden = width // 4
        first = entering or groups
        check_block_groups(first, channels, hidden)
        check_block_groups(groups, hidden, width)
        shared: dict[str, Any] = {"norm": norm, "activation": activation}
        normal = norm(width)
        residual = nn.Sequential(
            ConvNormAct(channels, hidden, 1, groups=first, **shared),
            nn.ChannelShuffle(first),
            ConvNormAct(hidden, hidden, kernel, groups=hidden, pooling=pooling, **shared),
            convolution(hidden, width, 1, normal, groups=groups),
            normal,
        )
        joined = skip(channels, width, pooling=pooling, norm=norm)
        super().__init__(residual, joined, activation(), width)
