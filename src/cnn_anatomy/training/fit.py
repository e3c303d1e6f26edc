"""Training a network, testing the weights that validation selects, logging all of it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import lightning.pytorch as pl
import torch
from hydra.utils import instantiate
from lightning.pytorch.callbacks import EarlyStopping, ModelCheckpoint, TQDMProgressBar
from omegaconf import DictConfig, OmegaConf
from torch import nn

from cnn_anatomy.core.paths import cache
from cnn_anatomy.data import ImageData
from cnn_anatomy.distributed.batch_norm import SharedNorm
from cnn_anatomy.distributed.failures import together
from cnn_anatomy.distributed.process_group import rank, shared, world
from cnn_anatomy.tracking.run import RunLogger, log_dataset
from cnn_anatomy.training.checkpointing import AtomicCheckpointIO, EpochCheckpoint, checkpoints
from cnn_anatomy.training.classifier import Classifier
from cnn_anatomy.training.frozen_prefix import RememberPrefix
from cnn_anatomy.training.signal_handlers import OwnSignals

WEIGHTS = "weights.pt"  # the artifact: those that validation selected

SEED_STRIDE = 1_000_003  # between the seeds of processes


@together()
def fit(
    config: DictConfig,
    classifier: Classifier,
    data: ImageData,
    logger: RunLogger | None,
    *,
    progress: bool = False,
) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Train, select on validation, test once; return the metrics and the selected weights.

    Of several processes that train together, all call this, the first alone with a logger.
    """
    if logger is not None:
        _describe(config, data, logger)
    run = shared(None if logger is None else logger.run_id)
    place = cache(config.paths.cache) / "checkpoints" / str(run)
    with checkpoints(place) as folder:
        last = EpochCheckpoint(folder / "last.ckpt")
        diverged = EarlyStopping("train/loss", patience=10**9, check_on_train_epoch_end=True)
        best = ModelCheckpoint(
            folder, "best", monitor="val/accuracy", mode="max", save_weights_only=True
        )
        bar = [TQDMProgressBar()] if progress else []
        trainer = pl.Trainer(
            **config.trainer,
            logger=logger or False,
            callbacks=[
                *(OwnSignals(), RememberPrefix(), *instantiate(config.probes).values()),
                *(best, diverged, last, *bar),
            ],
            plugins=[AtomicCheckpointIO(), *([SharedNorm()] if world() > 1 else [])],
            enable_progress_bar=progress,
            enable_model_summary=False,
            log_every_n_steps=10**9,
            num_sanity_val_steps=0,
        )
        # Seeds are paired: what comes after the weights does not depend on how many there are.
        # What layers draw, as dropout does, is another in each of several processes.
        pl.seed_everything(config.seed + SEED_STRIDE * rank(), verbose=False)
        path = last.path if shared(last.path.exists()) else None
        with compiled(classifier.network) if config.compile else nullcontext():
            trainer.fit(classifier, datamodule=data, ckpt_path=path, weights_only=True)
        _require_finite(trainer)
        state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
        classifier.load_state_dict(state)
        tested = trainer.test(classifier, datamodule=data, verbose=False)
    metrics = {k: float(v) for result in tested for k, v in result.items()}
    weights = {k.removeprefix("network."): v for k, v in state.items() if k.startswith("network.")}
    if logger is not None and config.tracking.weights:
        with tempfile.TemporaryDirectory() as written:
            torch.save(weights, Path(written) / WEIGHTS)
            logger.log_folder(written)
    return metrics, weights


@contextmanager
def compiled(network: nn.Module) -> Iterator[None]:
    """Have `network` compiled meanwhile; names of weights, and later hooks, are as without."""
    network.forward = torch.compile(network.forward)
    try:
        yield
    finally:
        del network.forward


def _describe(config: DictConfig, data: ImageData, logger: RunLogger) -> None:
    """Log the data set and the configuration."""
    splits = data.load()
    digests = {
        "training": splits.train.digest(),
        "validation": splits.val.digest(),
        "test": splits.test.digest(),
    }
    log_dataset(logger, type(data.source).__name__, digests)
    with tempfile.TemporaryDirectory() as written:
        (Path(written) / "config.yaml").write_text(OmegaConf.to_yaml(config))
        logger.log_folder(written)


def _require_finite(trainer: pl.Trainer) -> None:
    loss = trainer.callback_metrics["train/loss"]
    if not torch.isfinite(loss):
        epoch = trainer.current_epoch
        raise FloatingPointError(f"train/loss is {loss.item()} after {epoch} epochs: it diverged")
