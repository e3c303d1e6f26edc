"""Evaluating weights without training: every measure of a finished network, as one MLflow run."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from typing import Any

import lightning.pytorch as pl

from cnn_anatomy.config.saved_config import UNEVALUATED, data_changes, require_same_network
from cnn_anatomy.core.notices import notice
from cnn_anatomy.core.uris import RUN
from cnn_anatomy.data import ImageData
from cnn_anatomy.distributed.peers import peer_loss_recognised
from cnn_anatomy.distributed.process_group import broadcast, rank
from cnn_anatomy.networks import Network, checkpoints
from cnn_anatomy.tracking.run import RunLogger
from cnn_anatomy.training.checkpointing import checkpoint_folder
from cnn_anatomy.training.classifier import Classifier
from cnn_anatomy.training.fit import make_trainer
from cnn_anatomy.training.run_spec import RunSpec
from cnn_anatomy.training.transfer import file_weights, run_weights


def load_evaluated(spec: RunSpec, network: Network, data: ImageData) -> None:
    """Copy the weights that `evaluate` names into `network`, classifier included.

    Raises:
        ConfigError: if there are none, or they are those of another network.
    """
    source = str(spec.config.evaluate)
    read = run_weights if source.startswith(RUN) else file_weights
    weights = read(spec, "evaluate", source, _require_evaluated_network)
    checkpoints.load_weights(network, weights)


def _require_evaluated_network(
    saved: Mapping[str, Any], asked: Mapping[str, Any], setting: str
) -> None:
    """Check the network, and say in what the images differ from those of training."""
    require_same_network(saved, asked, setting, UNEVALUATED)
    changes = data_changes(saved, asked)
    if changes and rank() == 0:
        notice(f"{setting}: images are not as in training: {', '.join(changes)}")


def evaluate(
    spec: RunSpec,
    classifier: Classifier,
    data: ImageData,
    logger: RunLogger | None,
    *,
    progress: bool = False,
) -> dict[str, float]:
    """Measure validation and test images, with the probes of a finished network.

    Every rank calls this; only rank zero has a logger.
    """
    run_id = broadcast(None if logger is None else logger.run_id)
    folder = spec.checkpoint_folder(str(run_id))
    with checkpoint_folder(folder), peer_loss_recognised():
        trainer = make_trainer(spec, folder, logger, batches=1, progress=progress)
        pl.seed_everything(spec.config.seed, verbose=False)
        with nullcontext() if logger is None else logger.final_metrics():
            results = trainer.validate(classifier, datamodule=data, verbose=False)
            results += trainer.test(classifier, datamodule=data, verbose=False)
    return {name: float(value) for result in results for name, value in result.items()}
