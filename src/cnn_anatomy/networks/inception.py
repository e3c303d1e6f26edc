"""The Inception module (Szegedy et al. 2014, figure 2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from functools import partial
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from cnn_anatomy.core.ranges import Count, Size
from cnn_anatomy.networks.layers import ConvNormAct, Factory

Kernel = Annotated[int, Ge(1), Le(7)]
BRANCHES = ("branch1", "branch3", "branch5", "pool")
PoolName = Literal["max", "average", "depthwise", "none"]
# What the pool branch begins with: maps (N, C, H, W), C given, to the same shape from 3×3 windows.
POOLS: Mapping[str, Factory] = {
    "max": lambda channels: nn.MaxPool2d(3, 1, 1),
    "average": lambda channels: nn.AvgPool2d(3, 1, 1, count_include_pad=False),
    "depthwise": lambda channels: nn.Conv2d(channels, channels, 3, 1, 1, groups=channels),
    "none": lambda channels: nn.Identity(),
}


def branch_widths(width: int) -> tuple[int, int, int, int, int, int]:
    """Divide `width` output channels among the branches in the ratio of GoogLeNet's module 3a.

    Returns (1×1, 3×3 reduction, 3×3, 5×5 reduction, 5×5, pool projection).
    """
    parts = width // 8
    return 2 * parts, 3 * parts, 4 * parts, max(parts // 2, 1), parts, width - 7 * parts


class Inception(nn.Module):
    """1×1, 3×3, 5×5 and max-pool branches, concatenated; then the skip.

    Args:
        channels: number of input channels.
        width: number of output channels (see `branch_widths`), or the six widths themselves.
        pooling, skip, norm, activation: factories of the injected layers.
        reductions: whether 1×1 convolutions reduce the input of the 3×3 and 5×5 branches. The pool
            branch keeps its projection either way, or channels could only grow (their section 4).
        small, large: kernel sizes of the 1×1 and the 5×5 branch.
        pool: what precedes the projection of the pool branch: a maximum or an average of 3×3
            windows, a learnt weighted sum of each channel's, or nothing.
        nonlinear: whether an activation follows the 1×1 reductions.
        stacked: whether the 5×5 branch has two convolutions in place of one, which with large=3 see
            as far as one of 5×5 (Szegedy et al. 2016, section 3.1).
    """

    def __init__(
        self,
        channels: int,
        width: Size | Sequence[Size],
        *,
        pooling: Factory,
        skip: Factory,
        norm: Factory,
        activation: Factory,
        reductions: bool = True,
        small: Kernel = 1,
        large: Kernel = 5,
        pool: PoolName = "max",
        nonlinear: bool = True,
        stacked: bool = False,
    ) -> None:
        super().__init__()
        c1, r3, c3, r5, c5, cp = branch_widths(width) if isinstance(width, int) else width

        def conv(inputs: int, outputs: int, kernel: int, halve: bool = True) -> ConvNormAct:
            return ConvNormAct(
                inputs,
                outputs,
                kernel,
                norm=norm,
                activation=activation,
                pooling=pooling if halve else None,
            )

        def spatial(reduced: int, outputs: int, kernel: int) -> nn.Module:
            if not reductions:
                return conv(channels, outputs, kernel)
            reduction = conv(channels, reduced, 1, False)
            if not nonlinear:
                reduction.act = nn.Identity()
            return nn.Sequential(reduction, conv(reduced, outputs, kernel))

        self.branch1 = conv(channels, c1, small)
        self.branch3 = spatial(r3, c3, 3)
        self.branch5 = spatial(r5, c5, large)
        if stacked:
            self.branch5 = nn.Sequential(self.branch5, conv(c5, c5, large, False))
        self.pool = nn.Sequential(POOLS[pool](channels), conv(channels, cp, 1))
        self.refinements = nn.Sequential()  # see the module `refinement`
        self.width = c1 + c3 + c5 + cp
        self.skip = skip(channels, self.width, pooling=pooling, norm=norm)
        self.out_channels = self.skip.out_channels

    def branch(self, x: Tensor) -> Tensor:
        """Return F(x), the concatenated branches, of shape (N, width, H, W)."""
        branches = (self.branch1(x), self.branch3(x), self.branch5(x), self.pool(x))
        return self.refinements(torch.cat(branches, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, channels, H, W) to (N, out_channels, H, W)."""
        return self.skip(x, self.branch(x))

    @staticmethod
    def closing(channels: int, *, norm: Factory, activation: Factory) -> nn.Module | None:
        """Return None: no layer follows the last module."""
        return None


@dataclass(frozen=True)
class Modules:
    """The number of a network's Inception modules and their settings (see `Inception`)."""

    depth: Count
    reductions: bool
    small: Kernel = 1
    large: Kernel = 5
    pool: PoolName = "max"
    nonlinear: bool = True
    stacked: bool = False

    @property
    def block(self) -> Factory:
        """Factory of the module, with the interface of a block."""
        settings = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "depth"}
        return partial(Inception, **settings)
