"""Throughput of training and of inference."""

from __future__ import annotations

import time

import lightning.pytorch as pl


class SpeedProbe(pl.Callback):
    """Logs images over the wall time of their steps, those of all processes that share them.

    | metric | meaning |
    |---|---|
    | `speed/images_per_second` | training; the first epoch, which warms caches up, is left out |
    | `speed/inference_images_per_second` | the test images, the first batch left out |
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
        self.images += len(batch[1]) * trainer.world_size
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

    def on_test_batch_start(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Start the clock at the second batch of all."""
        if batch_idx == 1 and dataloader_idx == 0:
            self.tested, self.test_start = 0, time.perf_counter()

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Count the images, and the time up to this batch."""
        assert isinstance(batch, list | tuple)
        if hasattr(self, "test_start"):
            self.tested += len(batch[1]) * trainer.world_size
            self.test_seconds = time.perf_counter() - self.test_start

    def on_test_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log inference."""
        if hasattr(self, "test_start"):
            module.log("speed/inference_images_per_second", self.tested / self.test_seconds)
