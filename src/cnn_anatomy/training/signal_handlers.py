"""Signals while Lightning trains."""

from __future__ import annotations

import lightning.pytorch as pl

from cnn_anatomy.core.interrupts import STOP


class OwnSignals(pl.Callback):
    """Takes Ctrl-C and SIGTERM back from Lightning, whose handler comes before ours.

    It exchanges with the other ranks wherever it interrupts, while they are at another exchange:
    all of them would wait.
    """

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Take them back for training."""
        STOP.retake()

    def on_test_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Take them back for testing."""
        STOP.retake()
