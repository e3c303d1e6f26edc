"""Transfer: where a run's first weights come from."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock
from hydra.utils import instantiate
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from omegaconf import DictConfig
from torch import Tensor

from cnn_anatomy.config.run_key import run_key
from cnn_anatomy.config.source_network import source_config
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import cache, tracking_uri
from cnn_anatomy.data import ImageData
from cnn_anatomy.distributed.process_group import rank, shared
from cnn_anatomy.networks import Network, checkpoints
from cnn_anatomy.networks.freezing import leading
from cnn_anatomy.tracking.run import RunLogger, tracked
from cnn_anatomy.tracking.store import insist, prepare
from cnn_anatomy.training.build import build, parameters
from cnn_anatomy.training.fit import WEIGHTS, fit

# The head's classifier and the side heads belong to the task, all else transfers.
TASK = ("head.classifier.", "auxiliary.")


class Nothing:
    """Start from random weights."""

    def __init__(self, source: None = None, layers: int | None = None) -> None: ...

    def __call__(self, config: DictConfig, choices: Mapping[str, str]) -> None:
        """Return no weights."""


class Pretrained:
    """Start from a network that this run's own configuration trains with the changes `source`."""

    def __init__(self, source: Mapping[str, Any], layers: int | None = None) -> None: ...

    def __call__(self, config: DictConfig, choices: Mapping[str, str]) -> dict[str, Tensor]:
        """Return its weights, trained now if they never were."""
        made = source_config(config)
        assert made is not None
        made.variant = "source network"
        return torch.load(pretrained(made, choices), weights_only=True)


class Checkpoint:
    """Start from the state dict in the file `source`: one of ours, or a public one."""

    def __init__(self, source: str, layers: int | None = None) -> None:
        self.source = source

    def __call__(self, config: DictConfig, choices: Mapping[str, str]) -> dict[str, Tensor]:
        """Return the file's tensors.

        Raises:
            ConfigError: if it cannot be read, or holds more than tensors.
        """
        return checkpoints.read(self.source)


class TrackedRun:
    """Start from the weights that an MLflow run selected on validation, `source` = runs:/<id>."""

    def __init__(self, source: str, layers: int | None = None) -> None:
        self.source = source

    def __call__(self, config: DictConfig, choices: Mapping[str, str]) -> dict[str, Tensor]:
        """Return the run's artifact `weights.pt`.

        Raises:
            ConfigError: if the store has no such run, or the run did not keep its weights.
        """
        uri = tracking_uri(config.tracking.uri)
        run = self.source.removeprefix("runs:/")
        try:
            if uri.startswith("sqlite:///"):  # which MLflow would make
                Path(uri.removeprefix("sqlite:///")).stat()
            with tempfile.TemporaryDirectory() as folder:
                return checkpoints.read(MlflowClient(uri).download_artifacts(run, WEIGHTS, folder))
        except (MlflowException, OSError) as error:
            raise ConfigError(
                f"transfer.source={self.source} has no {WEIGHTS} in {uri}: give "
                "the id of a run that ended there, trained with tracking.weights=true"
            ) from error


def transfer(
    config: DictConfig, network: Network, data: ImageData, choices: Mapping[str, str]
) -> None:
    """Give `network` the weights that `config.transfer` names, if any.

    Raises:
        ConfigError: if they do not fit, or `transfer.layers` is more than there are.
    """
    copied = None
    if config.transfer.layers is not None:  # before a source is trained for nothing
        image = torch.zeros(1, *data.shape)
        copied = leading(network, image, config.transfer.layers, key="transfer.layers")
    weights = instantiate(config.transfer, _recursive_=False)(config, choices)
    if weights is not None:
        adopt(network, weights, copied)


def pretrained(config: DictConfig, choices: Mapping[str, str]) -> Path:
    """Return the weights that `config` trains, trained now if they never were.

    The file is named by the run's key; a second process that needs it waits for the first.
    """
    key = run_key(config)
    path = cache(config.paths.cache) / "sources" / f"{key}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    first = rank() == 0
    with FileLock(f"{path}.lock") if first else nullcontext():
        if shared(path.exists()):
            return path
        data: ImageData = instantiate(config.data, _convert_="all")
        classifier, numbers = build(config, data)
        uri = tracking_uri(config.tracking.uri)
        opened: AbstractContextManager[RunLogger | None] = nullcontext()
        if first:
            opened = tracked(
                uri,
                insist(uri, lambda: prepare(uri, config.study)),
                name="source network",
                tags={"study": config.study, "key": key, "kind": "source"},
                params={**parameters(config, {**choices, "transfer": "none"}), **numbers},
                parent=config.tracking.parent,
                journals=cache(config.paths.cache) / "journal",
            )
        with opened as logger:
            _, weights = fit(config, classifier, data, logger)
        if first:
            part = path.with_suffix(".part")
            torch.save(weights, part)
            part.replace(path)
        shared(None)  # now it is there
    return path


def adopt(
    network: Network,
    weights: Mapping[str, Tensor],
    modules: Sequence[torch.nn.Module] | None = None,
) -> None:
    """Copy a source network's weights and statistics, all but those of its task's classifiers.

    `weights` go by our names or by those of a public checkpoint's layout; `modules`
    are the only leaves that get them, if not None.

    Raises:
        ConfigError: if a weight is missing, left over or of another shape.
    """
    own = network.state_dict()
    weights = checkpoints.named(network, weights)
    wanted = {k: v for k, v in own.items() if not k.startswith(TASK)}
    offered = {k: v for k, v in weights.items() if not k.startswith(TASK)}
    try:
        checkpoints.require_fit(wanted, offered)
    except ConfigError as error:
        raise ConfigError(f"transfer.source: {error}") from None
    if modules is not None:
        names = {name for name, module in network.named_modules() if module in modules}
        offered = {k: v for k, v in offered.items() if k.rpartition(".")[0] in names}
    network.load_state_dict({**own, **offered})
