"""Learning-rate schedules; each takes an optimiser and the number of its steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR

from cnn_anatomy.core.ranges import ProperFraction, Share


def cosine(optimizer: Optimizer, steps: int) -> LRScheduler:
    """Decay to zero along half a cosine (Loshchilov & Hutter 2017, equation 5, one period)."""
    return CosineAnnealingLR(optimizer, T_max=steps)


def one_cycle(
    optimizer: Optimizer, steps: int, pct_start: ProperFraction = 0.25, **settings: Any
) -> LRScheduler:
    """Warm up for the fraction `pct_start` of the steps, then anneal (Smith & Topin 2018).

    `settings` are those of OneCycleLR. It divides by zero if the warm-up is exactly one step, so
    such a warm-up is made half a step longer.
    """
    if pct_start * steps == 1:
        pct_start *= 1.5
    return OneCycleLR(optimizer, total_steps=steps, pct_start=pct_start, **settings)


def step(
    optimizer: Optimizer,
    steps: int,
    milestones: Sequence[ProperFraction] = (0.5, 0.75),
    factor: ProperFraction = 0.1,
    warmup: Share = 0.0,
) -> LRScheduler:
    """Multiply the rate by `factor` at each milestone (He et al. 2015, section 4.2).

    Milestones and `warmup` are fractions of the steps. During the warm-up the rate is `factor`
    times the initial one, which the authors needed for 110 layers.
    """

    def multiplier(steps_done: int) -> float:
        fraction = steps_done / steps
        if fraction < warmup:
            return factor
        return factor ** sum(fraction >= milestone for milestone in milestones)

    return LambdaLR(optimizer, multiplier)
