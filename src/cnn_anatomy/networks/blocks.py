"""Blocks: what a stage repeats.

Every class is built with (channels, width) and the injected pooling, skip, norm and activation,
maps (N, channels, H, W) to (N, out_channels, H', W'), and puts the pooling after the activation of
the convolution that would have carried the stride.
"""

from __future__ import annotations

from torch import Tensor, nn

from cnn_anatomy.networks.layers import ConvNormAct, Factory, convolution


class Single(nn.Module):
    """One 3×3 convolution: the layer of a VGG (Simonyan & Zisserman 2014)."""

    convolutions = 1

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
    ) -> None:
        super().__init__()
        pool, normal = pooling(width), norm(width)
        self.residual = nn.Sequential(
            convolution(channels, width, 3, normal, pool.conv_stride), normal, pool
        )
        self.skip = skip(channels, width, pooling=pooling, norm=norm)
        self.act = activation()
        self.out_channels = self.skip.out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return act(skip(x, F(x)))."""
        return self.act(self.skip(x, self.residual(x)))


class Basic(nn.Module):
    """Two 3×3 convolutions (He et al. 2015, figure 5 left)."""

    convolutions = 2

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
    ) -> None:
        super().__init__()
        normal = norm(width)
        self.residual = nn.Sequential(
            ConvNormAct(channels, width, 3, norm=norm, activation=activation, pooling=pooling),
            convolution(width, width, 3, normal),
            normal,
        )
        self.skip = skip(channels, width, pooling=pooling, norm=norm)
        self.act = activation()
        self.out_channels = self.skip.out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return act(skip(x, F(x)))."""
        return self.act(self.skip(x, self.residual(x)))


class Bottleneck(nn.Module):
    """1×1, 3×3 and 1×1 convolutions, the last `expansion` times wider (He et al. 2015, fig. 5)."""

    convolutions = 3

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
        expansion: int = 4,
    ) -> None:
        super().__init__()
        out = width * expansion
        normal = norm(out)
        self.residual = nn.Sequential(
            ConvNormAct(channels, width, 1, norm=norm, activation=activation),
            ConvNormAct(width, width, 3, norm=norm, activation=activation, pooling=pooling),
            convolution(width, out, 1, normal),
            normal,
        )
        self.skip = skip(channels, out, pooling=pooling, norm=norm)
        self.act = activation()
        self.out_channels = self.skip.out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return act(skip(x, F(x)))."""
        return self.act(self.skip(x, self.residual(x)))


class PreActivation(nn.Module):
    """Normalisation and activation before each convolution (He et al. 2016, figure 4e)."""

    convolutions = 2

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
    ) -> None:
        super().__init__()
        pool, normal = pooling(width), norm(width)
        self.residual = nn.Sequential(
            norm(channels),
            activation(),
            convolution(channels, width, 3, normal, pool.conv_stride),
            normal,
            activation(),
            pool,
            nn.Conv2d(width, width, 3, padding=1, bias=bool(getattr(normal, "bias_before", False))),
        )
        self.skip = skip(channels, width, pooling=pooling, norm=norm)
        self.out_channels = self.skip.out_channels

    def forward(self, x: Tensor) -> Tensor:
        """Return skip(x, F(x))."""
        return self.skip(x, self.residual(x))
