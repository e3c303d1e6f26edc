"""Training throughput."""

from __future__ import annotations

import time

import lightning.pytorch as pl


class SpeedProbe(pl.Callback):
    """Logs `speed/images_per_second`: training images over the wall time of the training steps.

    The first epoch warms caches up and is left out where there are more.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self.images = 0

    def on_train_epoch_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Start the clock."""
        if trainer.current_epoch == 1:
            self.seconds, self.images = 0.0, 0
        self.start = time.perf_counter()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Count the images, and the time up to this step."""
        assert isinstance(batch, list | tuple)
        self.images += len(batch[1])
        now = time.perf_counter()
        self.seconds += now - self.start
        self.start = now

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log."""
        if self.seconds:
            for logger in trainer.loggers:
                logger.log_metrics(
                    {"speed/images_per_second": self.images / self.seconds}, trainer.global_step
                )
