"""What an interrupted run needs to go on: a checkpoint after every epoch."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch.callbacks import Checkpoint

from cnn_anatomy.core.atomic import replacing
from cnn_anatomy.distributed.failures import together
from cnn_anatomy.distributed.process_group import gathered, rank


class EpochCheckpoint(Checkpoint):
    """Saves all of the training's state to `path` after each epoch but the last.

    The last is left out so that a run that is interrupted while it tests does an epoch again, and
    with it all that the end of training logs. Order and augmentation follow from (seed, epoch);
    dropout and stochastic pooling draw from PyTorch's generators, whose state is kept here.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.generators: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the states of PyTorch's generators, those of every rank."""
        own = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
        return {"ranks": gathered(own)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Keep the states until training begins: what comes before may draw, too."""
        # As many as there were ranks; another number of them goes on with other draws.
        self.generators = state["ranks"][rank() % len(state["ranks"])]

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Put the generators where the checkpoint had them."""
        if self.generators is not None:
            torch.set_rng_state(self.generators["cpu"])
            here = torch.cuda.device_count()  # there may be fewer than where it began
            for device, state in enumerate(self.generators["cuda"][:here]):
                torch.cuda.set_rng_state(state, device)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Save; the epoch's metrics first, which Lightning would log after this."""
        if trainer.current_epoch + 1 >= (trainer.max_epochs or 0):
            return
        trained = {k: float(v) for k, v in trainer.callback_metrics.items() if k[:6] == "train/"}
        for logger in trainer.loggers:
            logger.log_metrics({**trained, "epoch": trainer.current_epoch}, trainer.global_step - 1)
        trainer.save_checkpoint(self.path)


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes a file beside the checkpoint and renames it: there is never half a one.

    Lightning's own goes through the system's temporary folder, often another file system.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Save under another name, then rename."""
        with replacing(Path(path)) as part:
            torch.save(checkpoint, part)


@contextmanager
def checkpoints(folder: Path) -> Iterator[Path]:
    """Yield `folder`, made; delete it when the run is done or failed, not when it is stopped."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with together():
            yield folder
    except Exception:
        _delete(folder)
        raise
    _delete(folder)


def _delete(folder: Path) -> None:
    if rank() == 0:
        shutil.rmtree(folder, ignore_errors=True)
