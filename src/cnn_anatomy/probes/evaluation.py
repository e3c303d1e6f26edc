"""What probes of the tested network share."""

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
    """Measures the selected weights on the test images, after these were tested.

    Of several processes the first measures, on all images, while the others wait.
    """

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Return the metrics; the network is in evaluation mode, without gradients."""
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
    """Yield the whole test batches in order: images float32 (B, C, H, W), labels (B,)."""
    loaders = trainer.test_dataloaders
    assert loaders is not None
    yield from loaders[0].part(0, 1)


def correct(
    trainer: pl.Trainer,
    module: pl.LightningModule,
    change: Callable[[Tensor], Tensor] = lambda images: images,
) -> Tensor:
    """Return for every test image, changed by `change`, whether it is classified rightly (N,)."""
    return torch.cat(
        [module(change(images)).argmax(1) == labels for images, labels in tested_batches(trainer)]
    )


@contextmanager
def artifacts(trainer: pl.Trainer) -> Iterator[Path]:
    """Yield a folder whose files become artifacts of the run."""
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
        for logger in trainer.loggers:
            if hasattr(logger, "log_folder"):
                logger.log_folder(folder)
