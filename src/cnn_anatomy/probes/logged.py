"""Logging what is measured before training and during it."""

from __future__ import annotations

from collections.abc import Mapping

import lightning.pytorch as pl


def log(trainer: pl.Trainer, metrics: Mapping[str, float], step: int) -> None:
    """Log `metrics`, those of step 0 as `untrained/<name>`, too.

    MLflow finds and sorts runs by a metric's latest value only; an earlier one takes a request for
    each run.
    """
    untrained = {f"untrained/{name}": value for name, value in metrics.items() if step == 0}
    for logger in trainer.loggers:
        logger.log_metrics({**metrics, **untrained}, step)
