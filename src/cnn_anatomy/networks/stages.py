"""Stages: the blocks between two changes of resolution, and where the resolution halves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import MinLen
from torch import nn

from cnn_anatomy.core.ranges import ProperFraction, Share, Size
from cnn_anatomy.networks.layers import Compression, Factory, Transition, Widening
from cnn_anatomy.networks.pooling import Unpooled


@dataclass(frozen=True)
class Stage:
    """The widths of a stage's blocks, and where it halves the resolution.

    Args:
        widths: of each block, as the block takes them.
        halve: "never", "before" or "after" the blocks, or in the "first" or the "last" block.
        dropout: probability of dropout after the stage.
        pooling: replaces the network's pooling in this stage.
        block: replaces the network's block in this stage.
        compress: share of its channels that the stage ends with, by a 1×1 convolution before it
            halves: a DenseNet's transition.
        widen: number of channels that the stage begins with, by a norm and a 2×2 convolution, which
            halves if the stage halves "before" its blocks: a ConvNeXt's downsampling.
    """

    widths: Annotated[Sequence[Size | Sequence[Size]], MinLen(1)]
    halve: Literal["never", "before", "first", "last", "after"] = "never"
    dropout: Share = 0.0
    pooling: Factory | None = None
    block: Factory | None = None
    compress: ProperFraction | None = None
    widen: Size | None = None


def build_stages(
    stages: Sequence[Stage], channels: int, *, close: bool, **parts: Factory
) -> tuple[list[nn.Sequential], int]:
    """Return the stages for `channels` input channels, and the output channels of the last.

    With `close`, the last block's closing layers follow it.
    """
    built = []
    for k, stage in enumerate(stages, 1):
        closes = close and k == len(stages)
        modules, channels = _modules(stage, channels, closes, **parts)
        built.append(nn.Sequential(*modules))
    return built, channels


def _modules(
    stage: Stage,
    channels: int,
    closes: bool,
    *,
    block: Factory,
    pooling: Factory,
    skip: Factory,
    **shared: Factory,
) -> tuple[list[nn.Module], int]:
    """Return the modules of a stage with `channels` input channels, and its output channels."""
    pool = stage.pooling or pooling
    modules: list[nn.Module] = []
    before = pool if stage.halve == "before" else Unpooled
    if stage.widen:
        modules.append(Widening(channels, width=stage.widen, pooling=before, **shared))
        channels = stage.widen
    elif before is pool:
        modules.append(Transition(channels, pooling=pool, **shared))
    halving_block = {"first": 0, "last": len(stage.widths) - 1}.get(stage.halve)
    for i, width in enumerate(stage.widths):
        block_pool = pool if i == halving_block else Unpooled
        modules.append(
            (stage.block or block)(channels, width, pooling=block_pool, skip=skip, **shared)
        )
        channels = modules[-1].out_channels  # type: ignore[assignment]
    if closes and stage.widths:
        closing = modules[-1].closing(channels, **shared)  # type: ignore[operator]
        modules += [closing] if closing is not None else []
    if stage.compress:
        modules.append(Compression(channels, int(channels * stage.compress), **shared))
        channels = modules[-1].out_channels  # type: ignore[assignment]
    if stage.halve == "after":
        modules.append(Transition(channels, pooling=pool, **shared))
    if stage.dropout:
        modules.append(nn.Dropout(stage.dropout))
    return modules, channels
