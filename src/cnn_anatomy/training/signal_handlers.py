"""Our signal handlers, kept in place while Lightning trains."""

from __future__ import annotations

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback

from cnn_anatomy.core.interrupts import STOP


class OwnSignalHandlers(Callback):
    """Installs our handlers of Ctrl-C and SIGTERM again after Lightning has installed its own.

    Lightning's handler runs a collective operation wherever the signal arrives; other ranks that
    are in another one then wait for ever.
    """

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Install them for training."""
        STOP.retake()

    def on_test_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Install them for testing."""
        STOP.retake()
