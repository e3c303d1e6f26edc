"""Checkpoints: the state that an interrupted run resumes from, and the weights to be tested."""

from __future__ import annotations

import os
import shutil
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Checkpoint, ModelCheckpoint

from cnn_anatomy.core.atomic import atomic_write
from cnn_anatomy.core.full_disk import full_disk_named, is_full_disk
from cnn_anatomy.core.notices import notice
from cnn_anatomy.distributed.process_group import all_gather, rank
from cnn_anatomy.training.classifier import Classifier

RESUME_FILE = "last.ckpt"  # in the Trainer's default_root_dir


class ResumeCheckpoint(Checkpoint):
    """Saves the whole training state after each epoch but the last, for the run to resume from.

    The last is left out so that a run interrupted while it tests repeats that epoch, and with it
    everything that is logged at the end of training. The order of the images and their
    augmentation follow from (seed, epoch); dropout and stochastic pooling draw from PyTorch's
    random generators, whose states are saved here.
    """

    def __init__(self) -> None:
        self.generators: dict[str, Any] | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the states of PyTorch's random generators on every rank."""
        states = {"cpu": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state_all()}
        return {"ranks": all_gather(states)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Keep the states until training begins, since what comes before may draw numbers too."""
        # With another number of ranks than before, layers draw other numbers.
        self.generators = state["ranks"][rank() % len(state["ranks"])]

    def on_train_start(self, trainer: Trainer, module: LightningModule) -> None:
        """Restore the random generators."""
        if self.generators is not None:
            torch.set_rng_state(self.generators["cpu"])
            devices = torch.cuda.device_count()  # may be fewer than when the state was saved
            for device, state in enumerate(self.generators["cuda"][:devices]):
                torch.cuda.set_rng_state(state, device)

    def on_train_epoch_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Log the epoch's metrics, which Lightning would do after this hook, then save."""
        assert isinstance(module, Classifier)
        if trainer.global_step >= module.steps:
            return
        metrics = {name: float(value) for name, value in module.epoch_metrics.items()}
        for logger in trainer.loggers:
            logger.log_metrics({**metrics, "epoch": trainer.current_epoch})
        trainer.save_checkpoint(Path(trainer.default_root_dir) / RESUME_FILE)


class SelectedWeights(ModelCheckpoint):
    """Keeps the weights of the best validation and gives them to the module after training.

    Args:
        monitor: the logged metric by which the best validation is selected.
        mode: `max` or `min`.
    """

    def __init__(self, monitor: str = "val/accuracy", mode: Literal["max", "min"] = "max") -> None:
        super().__init__(filename="best", monitor=monitor, mode=mode, save_weights_only=True)

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """Save into the Trainer's default_root_dir."""
        self.dirpath = os.path.realpath(trainer.default_root_dir)
        super().setup(trainer, pl_module, stage)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore which epoch was the best, though the folder was moved since.

        Lightning would forget the best epoch's score, and so select among the later ones only.
        """
        here = Path(str(self.dirpath))

        def moved(path: str) -> str:
            return str(here / Path(path).name) if path else path

        paths = ("best_model_path", "kth_best_model_path", "last_model_path")
        super().load_state_dict(
            {
                **state_dict,
                **{name: moved(state_dict[name]) for name in paths},
                "best_k_models": {moved(k): v for k, v in state_dict["best_k_models"].items()},
                "dirpath": self.dirpath,
            }
        )

    def on_fit_end(self, trainer: Trainer, module: LightningModule) -> None:
        """Load the selected weights; a dry run has selected none."""
        if trainer.fast_dev_run:  # type: ignore[attr-defined]  # Lightning sets it from outside
            return
        checkpoint = torch.load(self.best_model_path, map_location="cpu", weights_only=True)
        module.load_state_dict(checkpoint["state_dict"])


class AtomicCheckpointIO(TorchCheckpointIO):
    """Writes checkpoints atomically, in their own folder.

    Lightning's class writes to the system's temporary folder first, often another file system.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None
    ) -> None:
        """Write the checkpoint to `path`."""
        with atomic_write(Path(path)) as temporary, full_disk_named(Path(path)):
            torch.save(checkpoint, temporary)


def is_whole(file: Path) -> bool:
    """Return whether `file` is there, and say so if it was damaged."""
    if not file.exists():
        return False
    if not zipfile.is_zipfile(file):  # as PyTorch's files are; their directory comes last
        notice(f"{file} was damaged and is made anew")
        return False
    return True


@contextmanager
def checkpoint_folder(folder: Path) -> Iterator[None]:
    """Create `folder`; delete it at the end, unless the run was interrupted and can resume."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        yield
    except Exception as error:  # not `Stopped`
        if not is_full_disk(error):
            _delete(folder)
        raise
    _delete(folder)


def _delete(folder: Path) -> None:
    if rank() == 0:
        shutil.rmtree(folder, ignore_errors=True)
