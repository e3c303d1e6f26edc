"""Training a network, and testing the weights that validation selects."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import TQDMProgressBar
from lightning.pytorch.plugins.environments import LightningEnvironment
from torch import Tensor, nn

from cnn_anatomy.config.duration import training_epochs
from cnn_anatomy.core.instantiation import instantiate
from cnn_anatomy.data import ImageData
from cnn_anatomy.distributed.batch_norm import SynchronisedNorm
from cnn_anatomy.distributed.peers import peer_loss_recognised
from cnn_anatomy.distributed.process_group import broadcast, rank, world_size
from cnn_anatomy.tracking.run import RunLogger
from cnn_anatomy.training.checkpointing import (
    RESUME_FILE,
    AtomicCheckpointIO,
    checkpoint_folder,
    is_whole,
)
from cnn_anatomy.training.classifier import Classifier
from cnn_anatomy.training.determinism import nondeterminism_refused
from cnn_anatomy.training.progress_lines import ProgressLines
from cnn_anatomy.training.run_spec import RunSpec

WEIGHTS = "weights.pt"  # the artifact that holds the selected weights

SEED_STRIDE = 1_000_003  # between the seeds of ranks
NEVER = 10**9  # steps
ALONE = LightningEnvironment()  # a single process ignores what Slurm and torchrun have set


def fit(
    spec: RunSpec,
    classifier: Classifier,
    data: ImageData,
    logger: RunLogger | None,
    *,
    progress: bool = False,
) -> tuple[dict[str, float], dict[str, Tensor]]:
    """Train, select on validation, test once; return the metrics and the selected weights.

    Every rank calls this; only rank zero has a logger, and in a dry run none.

    Raises:
        ConfigError: if `trainer.deterministic` and an operation has no deterministic form.
        FloatingPointError: if the training loss is not finite.
        PeerLost: if another rank ends.
        Stopped: on Ctrl-C or SIGTERM.
    """
    run_id = broadcast(None if logger is None else logger.run_id)
    folder = spec.checkpoint_folder(run_id or f"dry-{spec.key}")
    with checkpoint_folder(folder), peer_loss_recognised():
        batches = len(data.batches(data.load().train, train=True))
        trainer = make_trainer(spec, folder, logger, batches=batches, progress=progress)
        # The seed again, so that paired runs draw the same however many weights were drawn. Each
        # rank gets its own, for dropout to differ between them.
        pl.seed_everything(spec.config.seed + SEED_STRIDE * rank(), verbose=False)
        resume_file = folder / RESUME_FILE
        checkpoint = resume_file if broadcast(is_whole(resume_file)) else None
        compilation = compiled(classifier.network) if spec.config.compile else nullcontext()
        with compilation, nondeterminism_refused():
            trainer.fit(classifier, datamodule=data, ckpt_path=checkpoint, weights_only=True)
        with nullcontext() if logger is None else logger.final_metrics():
            tested = trainer.test(classifier, datamodule=data, verbose=False)
    metrics = {k: float(v) for result in tested for k, v in result.items()}
    weights = classifier.network.state_dict()
    if logger is not None and spec.config.tracking.weights:
        with tempfile.TemporaryDirectory() as written:
            torch.save(weights, Path(written) / WEIGHTS)
            logger.log_folder(written)
    return metrics, weights


@contextmanager
def compiled(network: nn.Module) -> Iterator[None]:
    """Compile the forward pass inside the block; names of weights and later hooks do not change."""
    network.forward = torch.compile(network.forward)
    try:
        yield
    finally:
        del network.forward


def make_trainer(
    spec: RunSpec, folder: Path, logger: RunLogger | None, *, batches: int, progress: bool
) -> pl.Trainer:
    """Return a trainer with the callbacks and probes of the configuration.

    The classifier counts the steps. If Lightning does, it resumes a finished epoch as an unfinished
    one (`FitLoop._iteration_based_training`).
    """
    settings = spec.config.trainer
    return pl.Trainer(
        **{**settings, "max_epochs": training_epochs(settings, batches), "max_steps": -1},
        default_root_dir=folder,
        logger=logger or False,
        callbacks=[
            *instantiate(spec.config.callbacks).values(),
            *instantiate(spec.config.probes).values(),
            *([TQDMProgressBar() if sys.stdout.isatty() else ProgressLines()] if progress else []),
        ],
        plugins=[AtomicCheckpointIO(), SynchronisedNorm() if world_size() > 1 else ALONE],
        enable_progress_bar=progress,
        enable_model_summary=False,
        log_every_n_steps=NEVER,
        num_sanity_val_steps=0,
    )
