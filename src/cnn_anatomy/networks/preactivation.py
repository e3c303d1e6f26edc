"""Blocks that begin with normalisation and activation, as `blocks` describes them."""

from __future__ import annotations

from torch import Tensor, nn

from cnn_anatomy.core.ranges import Size
from cnn_anatomy.networks.blocks import Block, Width
from cnn_anatomy.networks.layers import Factory, convolution, sized
from cnn_anatomy.networks.pooling import conv_stride, halves


class PreActivated(Block):
    """Base of these blocks; norm and activation also follow a network's last one.

    With `shared`, the shortcut takes the input behind the first norm and activation, too, in those
    blocks that change channels or resolution (He et al. 2016; Zagoruyko & Komodakis 2016).
    """

    def __init__(
        self,
        channels: int,
        layers: list[nn.Module],
        width: int,
        *,
        pool: nn.Module,
        joined: nn.Module,
        shared: bool,
    ) -> None:
        super().__init__(nn.Sequential(*layers), joined, nn.Identity(), width)
        self.shares = shared and (channels != width or halves(pool))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, out_channels, H', W')."""
        if not self.shares:
            return super().forward(x)
        active = self.residual[:2](x)
        fx = self.refinements(self.residual[2:](active))
        return self.act(self.skip(active, fx))

    @staticmethod
    def closing(channels: int, *, norm: Factory, activation: Factory) -> nn.Module | None:
        """Return norm and activation after the last addition."""
        return nn.Sequential(norm(channels), activation())


class PreActivation(PreActivated):
    """Normalisation and activation before each convolution (He et al. 2016, figure 4e).

    Unless it is `shared`, the first block normalises the stem's output again; in the paper it
    shares the stem's normalisation with the shortcut.
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
        shared: bool = False,
    ) -> None:
        width, kernel = sized(width)
        pool, normal = pooling(width), norm(width)
        layers = [
            norm(channels),
            activation(),
            convolution(channels, width, kernel, normal, conv_stride(pool)),
            normal,
            activation(),
            pool,
            convolution(width, width, kernel, normal),
        ]
        joined = skip(channels, width, pooling=pooling, norm=norm)
        super().__init__(channels, layers, width, pool=pool, joined=joined, shared=shared)


class PreActivationBottleneck(PreActivated):
    """The same with a bottleneck's 1×1, 3×3 and 1×1 convolutions (He et al. 2016, section 4)."""

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
        shared: bool = True,
    ) -> None:
        width, kernel = sized(width)
        out = width * expansion
        pool, first, second = pooling(width), norm(width), norm(width)
        layers = [
            norm(channels),
            activation(),
            convolution(channels, width, 1, first),
            first,
            activation(),
            convolution(width, width, kernel, second, conv_stride(pool)),
            second,
            activation(),
            pool,
            convolution(width, out, 1, second),
        ]
        joined = skip(channels, out, pooling=pooling, norm=norm)
        super().__init__(channels, layers, out, pool=pool, joined=joined, shared=shared)


class DenseLayer(PreActivated):
    """1×1 convolution to `expansion` times the width, then 3×3 (Huang et al. 2017, DenseNet-B).

    It is made for skip=dense, which concatenates its output to its input.
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
        expansion: Size = 4,
    ) -> None:
        width, kernel = sized(width)
        hidden = width * expansion
        pool, normal = pooling(width), norm(hidden)
        layers = [
            norm(channels),
            activation(),
            convolution(channels, hidden, 1, normal),
            normal,
            activation(),
            convolution(hidden, width, kernel, normal, conv_stride(pool)),
            pool,
        ]
        joined = skip(channels, width, pooling=pooling, norm=norm)
        super().__init__(channels, layers, width, pool=pool, joined=joined, shared=False)
