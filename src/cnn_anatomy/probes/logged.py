"""Logging of what is measured both before training and during it."""

from __future__ import annotations

from collections.abc import Mapping

import lightning.pytorch as pl


def log(trainer: pl.Trainer, metrics: Mapping[str, float], step: int) -> None:
    """Log `metrics`; at step 0 (before training) also as `untrained/<name>`.

    MLflow searches and sorts runs by the latest value of a metric, so the untrained network's needs
    a name of its own.
    """
    untrained = {f"untrained/{name}": value for name, value in metrics.items() if step == 0}
    for logger in trainer.loggers:
        logger.log_metrics({**metrics, **untrained}, step)
