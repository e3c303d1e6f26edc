"""Lines that tell how far a training is, where there is no terminal for a bar."""

from __future__ import annotations

import math
import sys
import time

import lightning.pytorch as pl
from lightning.pytorch.callbacks import ProgressBar
from lightning.pytorch.trainer.states import TrainerFn

SECONDS = 30.0  # between two lines, at least


class ProgressLines(ProgressBar):
    """Prints epoch, loss and accuracy of a validation to standard error after it.

    Args:
        seconds: since the last line, or since training began, before which none is printed.
    """

    def __init__(self, seconds: float = SECONDS) -> None:
        super().__init__()
        self.seconds = seconds
        self.last = math.inf  # an evaluation, which begins no training, prints none

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Begin to wait for the first line."""
        self.last = time.monotonic()

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Print a line, unless the last one is too recent."""
        if trainer.state.fn != TrainerFn.FITTING or time.monotonic() - self.last < self.seconds:
            return
        self.last = time.monotonic()
        found = trainer.callback_metrics
        print(
            f"epoch {trainer.current_epoch + 1} of {trainer.max_epochs}: "
            f"val. loss {float(found['val/loss']):.3f}, "
            f"val. accuracy {float(found['val/accuracy']):.1%}",
            file=sys.stderr,
            flush=True,
        )
