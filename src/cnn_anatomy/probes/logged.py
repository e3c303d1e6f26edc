"""Logging of what is measured both before training and during it."""

from __future__ import annotations

from collections.abc import Mapping

import lightning.pytorch as pl

from cnn_anatomy.results.metrics import UNTRAINED


def log(trainer: pl.Trainer, metrics: Mapping[str, float], epoch: int) -> None:
    """Log `metrics` of an epoch; of epoch −1, before training, also as `untrained/<name>`.

    MLflow searches and sorts runs by the latest value of a metric, so the untrained network's needs
    a name of its own.
    """
    untrained = {f"{UNTRAINED}{name}": value for name, value in metrics.items() if epoch < 0}
    for logger in trainer.loggers:
        logger.log_metrics({**metrics, **untrained, "epoch": epoch})
