"""Auxiliary classifiers: heads after a stage whose loss is added in training only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from torch import Tensor, nn

from cnn_anatomy.config.constraints import check_stages, refuse_own_heads
from cnn_anatomy.core.ranges import Count, Fraction, NonNegative, Share, Size
from cnn_anatomy.networks.layers import ConvNormAct, Factory


class AuxiliaryHead(nn.Sequential):
    """Average pool, 1×1 convolution, hidden layer, dropout, classifier (Szegedy et al. 2014, 5).

    Maps (N, C, H, W) to (N, classes); `size` is (H, W). The average pool is adaptive with an output
    of `pool`×`pool`. If `window` is above 0, it has windows of this size and a stride of `stride`
    pixels instead: GoogLeNet's window 5 and stride 3 reduce 14×14 to 4×4. A window larger than the
    map is reduced to the map's size.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        classes: int,
        *,
        norm: Factory,
        activation: Factory,
        width: Size = 128,
        hidden: Size = 1024,
        dropout: Share = 0.7,
        pool: Size = 4,
        window: Count = 0,
        stride: Size = 3,
    ) -> None:
        average: nn.Module = nn.AdaptiveAvgPool2d(pool)
        pixels = pool * pool
        if window:
            h, w = (min(window, side) for side in size)
            average = nn.AvgPool2d((h, w), stride)
            pixels = ((size[0] - h) // stride + 1) * ((size[1] - w) // stride + 1)
        super().__init__(
            average,
            ConvNormAct(channels, width, 1, norm=norm, activation=activation),
            nn.Flatten(),
            nn.Linear(width * pixels, hidden),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Linear(hidden, classes),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return super().forward(x)


class Auxiliary:
    """Which stages have an auxiliary head, and the weight of its loss.

    After a share t in [0, 1] of training the weight is weight · (1 − decay · t): constant with
    decay 0, linear to zero with decay 1. `head` holds settings of `AuxiliaryHead`.
    """

    def __init__(
        self,
        stages: Sequence[Size] = (),
        weight: NonNegative = 0.0,
        decay: Fraction = 0.0,
        **head: float,
    ) -> None:
        self.stages = tuple(stages)
        self.weight = weight
        self.decay = decay
        self.head = head

    def weight_at(self, progress: float) -> float:
        """Return the weight of an auxiliary loss after the share `progress` of training."""
        return self.weight * (1 - self.decay * progress)

    def build(
        self,
        shapes: Sequence[tuple[int, int, int]],
        classes: int,
        *,
        norm: Factory,
        activation: Factory,
    ) -> nn.ModuleDict:
        """Return the heads by the number (from 1) of their stage.

        `shapes` holds (C, H, W) of the map after each stage.

        Raises:
            ConfigError: if a stage doesn't exist or is named twice.
        """
        check_stages(self.stages, len(shapes))
        return nn.ModuleDict(
            {
                str(k): AuxiliaryHead(
                    shapes[k - 1][0],
                    shapes[k - 1][1:],
                    classes,
                    norm=norm,
                    activation=activation,
                    **self.head,  # type: ignore[arg-type]
                )
                for k in self.stages
            }
        )


class Own(Auxiliary):
    """The auxiliary heads of a torchvision network; their weight is as in `Auxiliary`."""

    def __init__(self, weight: NonNegative = 0.3, decay: Fraction = 0.0) -> None:
        super().__init__((), weight, decay)

    def build(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse, as a network built from parts has no heads of its own.

        Raises:
            ConfigError: always.
        """
        refuse_own_heads()
