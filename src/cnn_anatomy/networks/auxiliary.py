"""Auxiliary classifiers: side heads that training adds to the loss and testing drops."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from torch import Tensor, nn

from cnn_anatomy.config.constraints import check_stages, refuse_own_heads
from cnn_anatomy.core.ranges import Count, Fraction, NonNegative, Share, Size
from cnn_anatomy.networks.layers import ConvNormAct, Factory


class AuxiliaryHead(nn.Sequential):
    """Average pool, 1×1 convolution, hidden layer, dropout, classifier (Szegedy et al. 2014, 5).

    Maps (N, C, H, W) to (N, classes), `size` being (H, W). The average pool is adaptive to
    `pool`×`pool`, or with `window` one of that size every `stride` pixels: GoogLeNet's 5×5 every
    3 makes 4×4 of 14×14. A window larger than the map shrinks to the map.
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
    """Which stages carry an auxiliary head, what it weighs, and how the weight decays.

    The weight at progress t in [0, 1] of training is weight · (1 − decay · t): constant for
    decay 0, linearly down to nothing for decay 1.
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
        """Return the weight of each auxiliary loss at `progress` in [0, 1]."""
        return self.weight * (1 - self.decay * progress)

    def build(
        self,
        shapes: Sequence[tuple[int, int, int]],
        classes: int,
        *,
        norm: Factory,
        activation: Factory,
    ) -> nn.ModuleDict:
        """Return the heads by stage (counted from 1); `shapes` (C, H, W) are of every stage's map.

        Raises:
            ConfigError: if a stage is not there, or named twice.
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
    """The auxiliary heads that a ready-made network brings along; the weight as in `Auxiliary`."""

    def __init__(self, weight: NonNegative = 0.3, decay: Fraction = 0.0) -> None:
        super().__init__((), weight, decay)

    def build(self, *_: Any, **__: Any) -> NoReturn:
        """Refuse: this network has none.

        Raises:
            ConfigError: always.
        """
        refuse_own_heads()
