"""Learning-rate schedules over `steps` optimiser steps."""

from __future__ import annotations

from typing import Any

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LRScheduler, OneCycleLR


def cosine(optimizer: Optimizer, steps: int) -> LRScheduler:
    """Decay to zero along half a cosine (Loshchilov & Hutter 2017)."""
    return CosineAnnealingLR(optimizer, T_max=steps)


def one_cycle(optimizer: Optimizer, steps: int, **settings: Any) -> LRScheduler:
    """Warm up, then anneal (Smith & Topin 2018); `settings` are OneCycleLR's."""
    return OneCycleLR(optimizer, total_steps=steps, **settings)
