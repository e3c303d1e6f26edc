"""Divergence: training ends when its loss is no longer finite."""

from __future__ import annotations

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import EarlyStopping


class StopOnDivergence(EarlyStopping):
    """Ends training after an epoch whose mean loss is not finite, and fails the run.

    It derives from EarlyStopping only for its place: Lightning calls such callbacks after the
    module has logged the epoch. The probes still log what they measured.
    """

    def __init__(self) -> None:
        super().__init__("train/loss", check_on_train_epoch_end=True)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Stop if the loss is not finite."""
        if not torch.isfinite(trainer.callback_metrics[self.monitor]):
            trainer.should_stop = True

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Raise FloatingPointError if the last loss is not finite."""
        loss = trainer.callback_metrics[self.monitor]
        if not torch.isfinite(loss):
            epoch = trainer.current_epoch
            raise FloatingPointError(
                f"{self.monitor} is {loss.item()} after {epoch} epochs: it diverged"
            )
