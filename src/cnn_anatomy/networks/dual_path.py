"""The block of a dual-path network (Chen et al. 2017), as `blocks` describes them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnn_anatomy.networks.blocks import Block, Width
from cnn_anatomy.networks.layers import ConvNormAct, Factory, convolution, sized
from cnn_anatomy.networks.pooling import halves
from cnn_anatomy.networks.skip import Projection


def divided(width: Width) -> tuple[int, int, int, int]:
    """Return (bottleneck, added, concatenated, kernel size) of a block's `width`."""
    if isinstance(width, int) or len(width) == 2:
        width, kernel = sized(width)
        return width, 4 * width, max(width // 4, 1), kernel
    hidden, added, grown = width
    return hidden, added, grown, 3


class DualPath(Block):
    """A bottleneck that adds most of its output to the input and concatenates the rest.

    Chen et al. 2017, figure 2d. `width` is (bottleneck, added, concatenated) channels, or as for
    other blocks, where w stands for (w, 4w, w // 4). The injected skip joins the first `added`
    channels. Where a stage begins, it takes all channels of the input, and a 1×1 convolution of
    them begins the path of concatenations.
    """

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
    ) -> None:
        hidden, added, grown, kernel = divided(width)
        out, normal = added + grown, norm(added + grown)
        residual = nn.Sequential(
            ConvNormAct(channels, hidden, 1, norm=norm, activation=activation),
            ConvNormAct(hidden, hidden, kernel, norm=norm, activation=activation, pooling=pooling),
            convolution(hidden, out, 1, normal),
            normal,
        )
        begins = channels < added + 2 * grown or halves(pooling(channels))
        joined = skip(channels if begins else added, added, pooling=pooling, norm=norm)
        super().__init__(residual, joined, activation(), out)
        self.added, self.grown = added, grown
        self.begin = (
            Projection(channels, grown, pooling=pooling, norm=norm, always=True) if begins else None
        )
        self.out_channels += (grown if begins else channels - added) + grown

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, out_channels, H', W')."""
        to_add, new = self.branch(x).split([self.added, self.grown], 1)
        if self.begin is None:
            x, grown = x[:, : self.added], x[:, self.added :]
        else:
            grown = self.begin.projected(x)
        return self.act(torch.cat([self.skip(x, to_add), grown, new], 1))
