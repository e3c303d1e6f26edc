"""Learning-rate schedules over `steps` optimiser steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LambdaLR, LRScheduler, OneCycleLR


def cosine(optimizer: Optimizer, steps: int) -> LRScheduler:
    """Decay to zero along half a cosine (Loshchilov & Hutter 2017)."""
    return CosineAnnealingLR(optimizer, T_max=steps)


def one_cycle(
    optimizer: Optimizer, steps: int, pct_start: float = 0.25, **settings: Any
) -> LRScheduler:
    """Warm up for `pct_start` of the steps, then anneal (Smith & Topin 2018).

    `settings` are OneCycleLR's, which divides by zero where the warm-up is one step: it gets more.
    """
    if pct_start * steps == 1:
        pct_start *= 1.5
    return OneCycleLR(optimizer, total_steps=steps, pct_start=pct_start, **settings)


def step(
    optimizer: Optimizer,
    steps: int,
    milestones: Sequence[float] = (0.5, 0.75),
    factor: float = 0.1,
    warmup: float = 0.0,
) -> LRScheduler:
    """Multiply by `factor` at each milestone, a share of the steps (He et al. 2015, section 4.2).

    For the first `warmup` of the steps the rate is `factor` of itself, as for their 110 layers.
    """

    def rate(done: int) -> float:
        share = done / steps
        if share < warmup:
            return factor
        return factor ** sum(share >= milestone for milestone in milestones)

    return LambdaLR(optimizer, rate)
