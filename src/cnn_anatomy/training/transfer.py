"""Transfer: where the first weights of a run come from."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnn_anatomy.config.saved_config import CONFIG, require_same_network, saved_config
from cnn_anatomy.core.atomic import atomic_write
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.instantiation import instantiate
from cnn_anatomy.core.notices import notice
from cnn_anatomy.core.ranges import Count
from cnn_anatomy.core.uris import RUN, without_secrets
from cnn_anatomy.data import ImageData
from cnn_anatomy.distributed.process_group import barrier, broadcast, rank
from cnn_anatomy.networks import Network, checkpoints
from cnn_anatomy.networks.freezing import leading
from cnn_anatomy.networks.weight_files import read_weights
from cnn_anatomy.tracking.artifacts import fetch_artifact
from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.checkpointing import is_whole
from cnn_anatomy.training.fit import WEIGHTS, fit
from cnn_anatomy.training.recording import opened_run, run_lock
from cnn_anatomy.training.run_spec import RunSpec

# Checks (the configuration saved beside weights, that of the run, the setting that names them).
Check = Callable[[Mapping[str, Any], Mapping[str, Any], str], None]

KEY = "transfer.source"
UNVERIFIED = (
    f"has no {CONFIG} of ours beside it: whether its network had these parts without weights "
    "(activation, pooling, skip) can't be verified"
)


class RandomWeights:
    """Start from random weights."""

    def __init__(self, source: None = None, layers: Count | None = None) -> None: ...

    def __call__(self, spec: RunSpec) -> None:
        """Return no weights."""


class Pretrained:
    """Start from a source network: this run's own configuration with the changes `source`."""

    def __init__(self, source: Mapping[str, Any], layers: Count | None = None) -> None: ...

    def __call__(self, spec: RunSpec) -> dict[str, Tensor]:
        """Return the source network's weights; train it first if necessary."""
        source = spec.source()
        train_source(source)
        return torch.load(source.source_weights, weights_only=True)


class Checkpoint:
    """Start from the state dict in the file `source`, one of ours or a published one."""

    def __init__(self, source: str, layers: Count | None = None) -> None:
        self.source = source

    def __call__(self, spec: RunSpec) -> dict[str, Tensor]:
        """Return the file's tensors.

        Raises:
            ConfigError: if the file cannot be read, or holds anything but tensors.
        """
        return file_weights(spec, KEY, self.source)


class TrackedRun:
    """Start from the weights that an MLflow run selected on validation, `source` = runs:/<id>."""

    def __init__(self, source: str, layers: Count | None = None) -> None:
        self.source = source

    def __call__(self, spec: RunSpec) -> dict[str, Tensor]:
        """Return the run's artifact `weights.pt`.

        Raises:
            ConfigError: if the store has no such run, the run did not keep its weights, or they
                are those of another network.
        """
        return run_weights(spec, KEY, self.source)


def file_weights(
    spec: RunSpec, key: str, source: str, check: Check = require_same_network
) -> dict[str, Tensor]:
    """Return the tensors of the file `source`, which the setting `key` names.

    If a configuration of ours lies beside the file, it is checked first.

    Raises:
        ConfigError: if the file can't be read, or holds another network's tensors or no tensors.
    """
    saved = saved_config(Path(source).parent)
    if saved is not None:
        check(saved, spec.plain, f"{key}={source}")
    elif rank() == 0:
        notice(f"{key}={source} {UNVERIFIED}")
    return read_weights(source)


def run_weights(
    spec: RunSpec, key: str, source: str, check: Check = require_same_network
) -> dict[str, Tensor]:
    """Return the artifact `weights.pt` of the run `source`, runs:/<id>, which `key` names.

    The run's configuration is checked first.

    Raises:
        ConfigError: if the store has no such run, it kept no weights, or those of another network.
    """
    uri = spec.store_uri
    run_id = source.removeprefix(RUN)
    try:
        with tempfile.TemporaryDirectory() as folder:
            fetch_artifact(uri, run_id, CONFIG, Path(folder))
            saved = saved_config(Path(folder))
            if saved is not None:
                check(saved, spec.plain, f"{key}={source}")
            return read_weights(str(fetch_artifact(uri, run_id, WEIGHTS, Path(folder))))
    except FileNotFoundError as error:
        raise ConfigError(
            f"{key}={source} has no {WEIGHTS} in {without_secrets(uri)}: give the id of a run "
            "that ended there, trained with tracking.weights=true"
        ) from error


def transfer_weights(spec: RunSpec, network: Network, data: ImageData) -> None:
    """Give `network` the weights that the configuration's `transfer` names, if any.

    Raises:
        ConfigError: if they do not fit, or `transfer.layers` exceeds the number of layers.
    """
    transfer = spec.config.transfer
    layers = None
    if transfer.layers is not None:  # checked before a source network is trained in vain
        image = torch.zeros(1, *data.shape)
        layers = leading(network, image, transfer.layers, key="transfer.layers")
    weights = instantiate(transfer, _recursive_=False)(spec)
    if weights is not None:
        copy_weights(network, weights, layers)


def train_source(spec: RunSpec) -> None:
    """Train the source network of a transfer, unless the cache has its weights.

    The file is named after the run's key; a second process that needs it waits for the first.
    """
    with run_lock(spec):
        if broadcast(is_whole(spec.source_weights)):
            return
        data = build_data(spec)
        classifier, counts = build_classifier(spec, data)
        with opened_run(spec, data, counts, classifier.network.replaced) as logger:
            _, weights = fit(spec, classifier, data, logger)
        if rank() == 0:
            with atomic_write(spec.source_weights) as temporary:
                torch.save(weights, temporary)
        barrier()  # the other ranks read the file next


def copy_weights(
    network: Network,
    weights: Mapping[str, Tensor],
    layers: Sequence[nn.Module] | None = None,
) -> None:
    """Copy a source network's weights and statistics, except those of its task parts.

    `weights` are named as ours or as in the layout of a published checkpoint. Only the modules in
    `layers` get them, unless it is None.

    Raises:
        ConfigError: if a weight is missing, unexpected or of another shape.
    """
    try:
        checkpoints.load_weights(network, weights, without=network.task_parts, modules=layers)
    except ConfigError as error:
        raise ConfigError(f"transfer.source: {error}") from None
