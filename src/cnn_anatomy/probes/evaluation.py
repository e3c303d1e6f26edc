"""Base of the probes of the tested network, and their access to the test images."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import lightning.pytorch as pl
import torch
from torch import Tensor

from cnn_anatomy.data import ImageSet


class EvaluationProbe(pl.Callback):
    """Measures the selected weights on the test images, at the end of testing.

    Of several processes, rank zero measures, on all images, while the others wait.
    """

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Return the metrics; called in evaluation mode and without gradients."""
        raise NotImplementedError

    @torch.no_grad()
    def on_test_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure and log."""
        if not trainer.is_global_zero:
            return
        with trainer.precision_plugin.test_step_context():
            measured = self.measure(trainer, module)
        for name, value in measured.items():
            module.log(name, value)


def tested_images(trainer: pl.Trainer) -> ImageSet:
    """Return the test images with labels and geometry."""
    return trainer.datamodule.load().test  # type: ignore[attr-defined]


def tested_batches(trainer: pl.Trainer) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the test batches, not this process's share only: images (B, C, H, W), labels (B,)."""
    loaders = trainer.test_dataloaders
    assert loaders is not None
    yield from loaders[0].part(0, 1)


def correctly_classified(
    trainer: pl.Trainer,
    module: pl.LightningModule,
    change: Callable[[Tensor], Tensor] = lambda images: images,
) -> Tensor:
    """Return whether each test image (N,), after `change`, is classified correctly."""
    return torch.cat(
        [module(change(images)).argmax(1) == labels for images, labels in tested_batches(trainer)]
    )


@contextmanager
def artifacts(trainer: pl.Trainer) -> Iterator[Path]:
    """Yield a folder; its files become artifacts of the run at the end of the block."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        for logger in trainer.loggers:
            if hasattr(logger, "log_folder"):
                logger.log_folder(folder)
