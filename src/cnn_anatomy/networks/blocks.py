"""Blocks: the unit that a stage repeats.

A block is built with (channels, width) and the injected pooling, skip, norm and activation. It maps
(N, channels, H, W) to (N, out_channels, H', W'). The pooling comes after the activation of the
convolution that has the stride in the published network. `width` is a number of channels, or
(channels, kernel size) if the spatial convolutions are not 3×3. `convolutions` is the number of
convolutions in a block, shortcut excluded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from cnn_anatomy.core.ranges import Size
from cnn_anatomy.networks.layers import ConvNormAct, Factory, convolution, sized
from cnn_anatomy.networks.pooling import conv_stride

Width = Size | Sequence[Size]


class Block(nn.Module):
    """Base of all blocks: computes after(skip(x, F(x))), where F is `branch`, then `refinements`.

    Args:
        residual: the layers of F.
        skip: joins x and F(x).
        after: what follows the skip.
        width: channels of F(x).
    """

    convolutions = 2

    def __init__(
        self, residual: nn.Sequential, skip: nn.Module, after: nn.Module, width: int
    ) -> None:
        super().__init__()
        self.residual = residual
        self.refinements = nn.Sequential()  # see the module `refinement`
        self.skip = skip
        self.act = after
        self.width = width
        self.out_channels: int = skip.out_channels  # type: ignore[assignment]

    def branch(self, x: Tensor) -> Tensor:
        """Return F(x) of shape (N, width, H', W')."""
        return self.refinements(self.residual(x))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, out_channels, H', W')."""
        return self.act(self.skip(x, self.branch(x)))

    @staticmethod
    def closing(channels: int, *, norm: Factory, activation: Factory) -> nn.Module | None:
        """Return the layers after a network's last block, None if there are none."""
        return None


class Single(Block):
    """One convolution: the layer of a VGG (Simonyan & Zisserman 2014)."""

    convolutions = 1

    def __init__(
        self,
        channels: int,
        width: Width,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
    ) -> None:
        width, kernel = sized(width)
        pool, normal = pooling(width), norm(width)
        residual = nn.Sequential(
            convolution(channels, width, kernel, normal, conv_stride(pool)), normal, pool
        )
        joined = skip(channels, width, pooling=pooling, norm=norm)
        super().__init__(residual, joined, activation(), width)


class Basic(Block):
    """Two convolutions (He et al. 2015, figure 5 left)."""

    def __init__(
        self,
        channels: int,
        width: Width,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
    ) -> None:
        width, kernel = sized(width)
        normal = norm(width)
        residual = nn.Sequential(
            ConvNormAct(channels, width, kernel, norm=norm, activation=activation, pooling=pooling),
            convolution(width, width, kernel, normal),
            normal,
        )
        joined = skip(channels, width, pooling=pooling, norm=norm)
        super().__init__(residual, joined, activation(), width)


class Bottleneck(Block):
    """1×1, 3×3 and 1×1 convolutions, the last `expansion` times wider (He et al. 2015, fig. 5)."""

    convolutions = 3

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
        out = width * expansion
        normal = norm(out)
        residual = nn.Sequential(
            ConvNormAct(channels, width, 1, norm=norm, activation=activation),
            ConvNormAct(width, width, kernel, norm=norm, activation=activation, pooling=pooling),
            convolution(width, out, 1, normal),
            normal,
        )
        joined = skip(channels, out, pooling=pooling, norm=norm)
        super().__init__(residual, joined, activation(), out)


class NormAfterAddition(Block):
    """Basic with the second normalisation after the addition (He et al. 2016, figure 4b)."""

    def __init__(
        self,
        channels: int,
        width: Width,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
    ) -> None:
        width, kernel = sized(width)
        joined = skip(channels, width, pooling=pooling, norm=norm)
        normal = norm(joined.out_channels)
        residual = nn.Sequential(
            ConvNormAct(channels, width, kernel, norm=norm, activation=activation, pooling=pooling),
            convolution(width, width, kernel, normal),
        )
        super().__init__(residual, joined, nn.Sequential(normal, activation()), width)


class ActivationBeforeAddition(Block):
    """Basic with the second activation before the addition, F(x) ≥ 0 (He et al. 2016, fig. 4c)."""

    def __init__(
        self,
        channels: int,
        width: Width,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
    ) -> None:
        width, kernel = sized(width)
        shared: dict[str, Any] = {"norm": norm, "activation": activation}
        residual = nn.Sequential(
            ConvNormAct(channels, width, kernel, pooling=pooling, **shared),
            ConvNormAct(width, width, kernel, **shared),
        )
        joined = skip(channels, width, pooling=pooling, norm=norm)
        super().__init__(residual, joined, nn.Identity(), width)


class ActivationFirst(Block):
    """Activation, convolution, norm, twice: "ReLU-only pre-activation" (He et al. 2016, fig. 4d).

    An activation also follows a network's last block (their section 4.1).
    """

    def __init__(
        self,
        channels: int,
        width: Width,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
    ) -> None:
        width, kernel = sized(width)
        normal = norm(width)
        residual = nn.Sequential(
            activation(),
            ConvNormAct(channels, width, kernel, norm=norm, activation=activation, pooling=pooling),
            convolution(width, width, kernel, normal),
            normal,
        )
        joined = skip(channels, width, pooling=pooling, norm=norm)
        super().__init__(residual, joined, nn.Identity(), width)

    @staticmethod
    def closing(channels: int, *, norm: Factory, activation: Factory) -> nn.Module | None:
        """Return the activation after the last addition."""
        return activation()


class InvertedBottleneck(Block):
    """1×1 to `expansion` times the input's channels, depthwise, 1×1 (Sandler et al. 2018, table 1).

    Nothing follows the last norm. With an expansion of 1 the first convolution is left out, unless
    `always` is true. An `attention` scales the channels of the depthwise convolution (Tan & Le
    2019).
    """

    convolutions = 3
    depthwise = True  # no convolution is left that is larger than 1×1 and full

    def __init__(
        self,
        channels: int,
        width: Width,
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
        expansion: Size = 6,
        always: bool = False,
        attention: Factory | None = None,
    ) -> None:
        width, kernel = sized(width)
        hidden = channels * expansion
        shared: dict[str, Any] = {"norm": norm, "activation": activation}
        expands = always or expansion > 1
        normal = norm(width)
        residual = nn.Sequential(
            *([ConvNormAct(channels, hidden, 1, **shared)] if expands else []),
            ConvNormAct(hidden, hidden, kernel, groups=hidden, pooling=pooling, **shared),
            *([attention(hidden)] if attention is not None else []),
            convolution(hidden, width, 1, normal),
            normal,
        )
        joined = skip(channels, width, pooling=pooling, norm=norm)
        super().__init__(residual, joined, nn.Identity(), width)
