"""The convolution that all blocks are built from, and the transition between stages."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from torch import nn

from cnn_anatomy.networks.pooling import conv_stride, needs_conv

Factory = Callable[..., Any]


def made(factory: Factory) -> Any:
    """Return the class or function that a factory calls: that of a partial, or itself."""
    return getattr(factory, "func", factory)


def sized(width: int | Sequence[int]) -> tuple[int, int]:
    """Return (width, kernel size) of a block; a width alone means 3×3 convolutions."""
    if isinstance(width, int):
        return width, 3
    width, kernel = width
    return width, kernel


def has_bias(norm: nn.Module) -> bool:
    """Return whether the convolution before `norm` has a bias."""
    return bool(getattr(norm, "bias_before", False))


def convolution(
    channels: int, width: int, kernel: int, norm: nn.Module, stride: int = 1, groups: int = 1
) -> nn.Conv2d:
    """Return a same-padded convolution, with a bias only if the `norm` after it asks for one."""
    return nn.Conv2d(
        channels, width, kernel, stride, kernel // 2, groups=groups, bias=has_bias(norm)
    )


class ConvNormAct(nn.Sequential):
    """Convolution, normalisation, activation, pooling: (N, channels, H, W) to (N, width, …)."""

    def __init__(
        self,
        channels: int,
        width: int,
        kernel: int,
        *,
        norm: Factory,
        activation: Factory,
        pooling: Factory | None = None,
        groups: int = 1,
    ) -> None:
        pool = pooling(width) if pooling is not None else None
        normal = norm(width)
        stride = conv_stride(pool) if pool is not None else 1
        parts: OrderedDict[str, nn.Module] = OrderedDict(
            conv=convolution(channels, width, kernel, normal, stride, groups),
            norm=normal,
            act=activation(),
        )
        if pool is not None:
            parts["pool"] = pool
        super().__init__(parts)
        self.out_channels = width


class Compression(nn.Sequential):
    """Norm, activation and a 1×1 convolution to `width` channels (Huang et al. 2017, section 3)."""

    def __init__(self, channels: int, width: int, *, norm: Factory, activation: Factory) -> None:
        normal = norm(channels)
        conv = nn.Conv2d(channels, width, 1, bias=has_bias(normal))
        super().__init__(OrderedDict(norm=normal, act=activation(), conv=conv))
        self.out_channels = width


class Widening(nn.Sequential):
    """Norm, a 2×2 convolution to `width` channels, pooling (Liu et al. 2022, section 2.2).

    Without stride the convolution pads at the right and the bottom, so that one of stride 2 equals
    it, subsampled.
    """

    def __init__(
        self, channels: int, *, width: int, pooling: Factory, norm: Factory, activation: Factory
    ) -> None:
        pool = pooling(width)
        stride = conv_stride(pool)
        pad = nn.ZeroPad2d((0, 1, 0, 1)) if stride == 1 else nn.Identity()
        conv = nn.Conv2d(channels, width, 2, stride)
        super().__init__(OrderedDict(norm=norm(channels), pad=pad, conv=conv, pool=pool))
        self.out_channels = width


class Transition(nn.Sequential):
    """Pooling between two blocks, with a 3×3 convolution before it if the pooling needs one.

    Maps (N, C, H, W) to (N, C, H // 2, W // 2).
    """

    def __init__(
        self, channels: int, *, pooling: Factory, norm: Factory, activation: Factory
    ) -> None:
        pool = pooling(channels)
        if needs_conv(pool):
            pool = ConvNormAct(
                channels, channels, 3, norm=norm, activation=activation, pooling=pooling
            )
        super().__init__(OrderedDict(pool=pool))
        self.out_channels = channels
