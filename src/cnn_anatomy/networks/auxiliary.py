"""Auxiliary classifiers: side heads that training adds to the loss and testing drops."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from cnn_anatomy.networks.layers import ConvNormAct, Factory
from cnn_anatomy.sizes import check_stages


class AuxiliaryHead(nn.Sequential):
    """Average pool, 1×1 convolution, hidden layer, dropout, classifier (Szegedy et al. 2014, 5).

    Maps (N, C, H, W) to (N, classes). The pool is adaptive: GoogLeNet's 14×14 map also becomes
    `pool`×`pool` = 4×4.
    """

    def __init__(
        self,
        channels: int,
        classes: int,
        *,
        norm: Factory,
        activation: Factory,
        width: int = 128,
        hidden: int = 1024,
        dropout: float = 0.7,
        pool: int = 4,
    ) -> None:
        super().__init__(
            nn.AdaptiveAvgPool2d(pool),
            ConvNormAct(channels, width, 1, norm=norm, activation=activation),
            nn.Flatten(),
            nn.Linear(width * pool * pool, hidden),
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
        self, stages: Sequence[int] = (), weight: float = 0.0, decay: float = 0.0, **head: float
    ) -> None:
        self.stages = tuple(stages)
        self.weight = weight
        self.decay = decay
        self.head = head

    def weight_at(self, progress: float) -> float:
        """Return the weight of each auxiliary loss at `progress` in [0, 1]."""
        return self.weight * (1 - self.decay * progress)

    def build(
        self, channels: Sequence[int], classes: int, *, norm: Factory, activation: Factory
    ) -> nn.ModuleDict:
        """Return the heads by stage (counted from 1); `channels` are those of every stage.

        Raises:
            ConfigError: if a stage is not there, or named twice.
        """
        check_stages(self.stages, len(channels))
        return nn.ModuleDict(
            {
                str(k): AuxiliaryHead(
                    channels[k - 1],
                    classes,
                    norm=norm,
                    activation=activation,
                    **self.head,  # type: ignore[arg-type]
                )
                for k in self.stages
            }
        )
