"""Skip connections: how a block's input x joins its output F(x).

A skip is built with (channels, width, pooling, norm): x has `channels` channels, F(x) has `width`,
and `pooling` reduces the resolution of x as the block does. `forward(x, fx)` returns the joined
map, which has `out_channels` channels.
"""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor, nn

from cnn_anatomy.core.ranges import Fraction, Share
from cnn_anatomy.networks.layers import Factory, has_bias
from cnn_anatomy.networks.pooling import Average, conv_stride, halves


class Skip(nn.Module):
    """Base of all skips: x is pooled as in the block, and padded with zero channels to `width`."""

    joins = True  # whether x is in the output

    def __init__(self, channels: int, width: int, *, pooling: Factory, norm: Factory) -> None:
        super().__init__()
        self.missing = width - channels
        self.width = width
        self.pool = pooling(channels)
        self.out_channels = width

    def pooled(self, x: Tensor) -> Tensor:
        """Reduce the resolution of x (N, channels, H, W) as the block does."""
        stride = conv_stride(self.pool)
        return self.pool(x)[:, :, ::stride, ::stride]

    def shortcut(self, x: Tensor) -> Tensor:
        """Bring x (N, channels, H, W) to the shape of F(x) without parameters (option A)."""
        x = self.pooled(x)
        if self.missing > 0:
            return F.pad(x, (0, 0, 0, 0, self.missing // 2, self.missing - self.missing // 2))
        return x[:, : self.width]


class Plain(nn.Module):
    """No skip connection: F(x) alone."""

    joins = False

    def __init__(self, channels: int, width: int, *, pooling: Factory, norm: Factory) -> None:
        super().__init__()
        self.out_channels = width

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        """Return F(x) of shape (N, width, H, W)."""
        return fx


class Identity(Skip):
    """x + F(x), where x is zero-padded if F(x) has more channels (He et al. 2015, option A)."""

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        """Return the sum of shape (N, width, H, W)."""
        return self.shortcut(x) + fx


class Projection(Skip):
    """x + F(x), with a 1×1 convolution where the shape changes (He et al. 2015, option B).

    With `always`, every shortcut has one (option C; He et al. 2016, figure 2e). With `bare`, no
    norm follows it (Zagoruyko & Komodakis 2016), and it has a bias if `biased`.

    The input is subsampled before a convolution of stride 1, which equals a strided convolution. On
    processors with AVX2 but not AVX-512, PyTorch 2.15 writes out of bounds in the backward pass of
    strided 1×1 convolutions with fewer than 8 channels in channels-last order.
    """

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        pooling: Factory,
        norm: Factory,
        always: bool = False,
        bare: bool = False,
        biased: bool = False,
    ) -> None:
        super().__init__(channels, width, pooling=pooling, norm=norm)
        self.project: nn.Module = nn.Identity()
        if always or channels != width or conv_stride(self.pool) > 1:
            normal = nn.Identity() if bare else norm(width)
            conv = nn.Conv2d(channels, width, 1, bias=biased or has_bias(normal))
            self.project = nn.Sequential(conv, normal)

    def projected(self, x: Tensor) -> Tensor:
        """Bring x (N, channels, H, W) to the shape of F(x)."""
        return self.project(self.pooled(x))

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        """Return the sum of shape (N, width, H, W)."""
        return self.projected(x) + fx


def concatenated_where_halved(
    channels: int, width: int, *, pooling: Factory, norm: Factory
) -> Skip:
    """Return a sum, or where the resolution halves a concatenation (Zhang et al. 2018, figure 2).

    There the shortcut takes averages of 3×3 pixels if the block has a stride.
    """
    pool = pooling(channels)
    if not halves(pool):
        return Identity(channels, width, pooling=pooling, norm=norm)
    if conv_stride(pool) > 1:
        pooling = partial(Average, kernel=3)
    return Dense(channels, width, pooling=pooling, norm=norm)


def same_resolution(
    channels: int, width: int, *, pooling: Factory, norm: Factory, project: bool = True
) -> Skip | Plain:
    """Return no skip where the resolution halves, else a projection (Sandler et al. 2018).

    Without `project`, there is no skip either where the number of channels changes.
    """
    joins = not halves(pooling(channels)) and (project or channels == width)
    return (Projection if joins else Plain)(channels, width, pooling=pooling, norm=norm)


class NormFirst(Skip):
    """x + F(x), with norm, activation and a 1×1 convolution where the shape changes.

    The shortcut of a pre-activation block that normalises by itself.
    """

    def __init__(
        self, channels: int, width: int, *, pooling: Factory, norm: Factory, activation: Factory
    ) -> None:
        super().__init__(channels, width, pooling=pooling, norm=norm)
        self.before: nn.Module = nn.Identity()
        self.project: nn.Module = nn.Identity()
        if channels != width or conv_stride(self.pool) > 1:
            normal = norm(channels)
            self.before = nn.Sequential(normal, activation())
            self.project = nn.Conv2d(channels, width, 1, bias=has_bias(normal))

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        """Return the sum of shape (N, width, H, W)."""
        return self.project(self.pooled(self.before(x))) + fx


class Scaled(Skip):
    """λ·x + (1 − λ)·F(x) (He et al. 2016, constant scaling)."""

    def __init__(
        self, channels: int, width: int, *, pooling: Factory, norm: Factory, scale: Fraction = 0.5
    ) -> None:
        super().__init__(channels, width, pooling=pooling, norm=norm)
        self.scale = scale

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        """Return the weighted sum of shape (N, width, H, W)."""
        return self.scale * self.shortcut(x) + (1 - self.scale) * fx


class GatedSkip(Skip):
    """g·F(x) + (1 − g)·x with g = σ(W·x + b), W a 1×1 convolution (Srivastava et al. 2015)."""

    def __init__(
        self,
        channels: int,
        width: int,
        *,
        pooling: Factory,
        norm: Factory,
        bias: Annotated[float, Ge(-100), Le(100)] = -1.0,
    ) -> None:
        super().__init__(channels, width, pooling=pooling, norm=norm)
        self.gate = nn.Conv2d(width, width, 1)
        self.bias = bias

    def reset(self) -> None:
        """Set the gate's bias, after weights are initialised: negative, it favours x."""
        nn.init.constant_(self.gate.bias, self.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        """Return the gated sum of shape (N, width, H, W)."""
        x = self.shortcut(x)
        gate = self.gate(x).sigmoid()
        return gate * fx + (1 - gate) * x


class GatedShortcut(GatedSkip):
    """F(x) + (1 − g)·x: the gate acts on the shortcut alone (He et al. 2016, figure 2d)."""

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        """Return the sum of shape (N, width, H, W)."""
        x = self.shortcut(x)
        return fx + (1 - self.gate(x).sigmoid()) * x


class Dropout(Skip):
    """dropout(x) + F(x) (He et al. 2016, figure 2f)."""

    def __init__(
        self, channels: int, width: int, *, pooling: Factory, norm: Factory, dropout: Share = 0.5
    ) -> None:
        super().__init__(channels, width, pooling=pooling, norm=norm)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        """Return the sum of shape (N, width, H, W)."""
        return self.dropout(self.shortcut(x)) + fx


class Dense(Skip):
    """Concatenation of x and F(x) (Huang et al. 2017)."""

    def __init__(self, channels: int, width: int, *, pooling: Factory, norm: Factory) -> None:
        super().__init__(channels, channels, pooling=pooling, norm=norm)
        self.out_channels = channels + width

    def forward(self, x: Tensor, fx: Tensor) -> Tensor:
        """Return (N, channels + width, H, W)."""
        return torch.cat([self.shortcut(x), fx], 1)
