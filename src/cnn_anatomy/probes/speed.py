"""Throughput of training and of inference."""

from __future__ import annotations

import time

import lightning.pytorch as pl
import torch


class SpeedProbe(pl.Callback):
    """Logs images per second of wall time, in all processes together.

    | metric | meaning |
    |---|---|
    | `speed/images_per_second` | training, without the first epoch, which warms caches |
    | `speed/inference_images_per_second` | inference on the test images, without the first batch |
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
        """Add the step's images and time."""
        assert isinstance(batch, list | tuple)
        self.images += len(batch[1]) * trainer.world_size
        now = time.perf_counter()
        self.seconds += now - self.start
        self.start = now

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Add the time until a GPU has done what it was given."""
        if module.device.type == "cuda":
            torch.cuda.synchronize(module.device)
            self.seconds += time.perf_counter() - self.start

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log the throughput of training."""
        if self.seconds:
            for logger in trainer.loggers:
                logger.log_metrics({"speed/images_per_second": self.images / self.seconds}, step=0)

    def on_test_batch_start(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Start the clock at the second test batch."""
        if batch_idx == 1 and dataloader_idx == 0:
            self.test_images, self.test_start = 0, time.perf_counter()

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Add the batch's images, and measure the time since the start."""
        assert isinstance(batch, list | tuple)
        if hasattr(self, "test_start"):
            self.test_images += len(batch[1]) * trainer.world_size
            batches = trainer.num_test_batches
            is_last = (dataloader_idx, batch_idx + 1) == (len(batches) - 1, batches[-1])
            if is_last and module.device.type == "cuda":
                torch.cuda.synchronize(module.device)
            self.test_seconds = time.perf_counter() - self.test_start

    def on_test_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log the throughput of inference."""
        if hasattr(self, "test_start"):
            module.log("speed/inference_images_per_second", self.test_images / self.test_seconds)
