"""Transfer: the network that a run's weights come from, trained once and shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import torch
from filelock import FileLock
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.data import ImageData
from cnn_anatomy.errors import ConfigError
from cnn_anatomy.networks import Network
from cnn_anatomy.networks.freezing import leading
from cnn_anatomy.paths import cache, tracking_uri
from cnn_anatomy.ranks import rank, shared
from cnn_anatomy.tracking.keys import run_key
from cnn_anatomy.tracking.run import RunLogger, tracked
from cnn_anatomy.tracking.store import insist, prepare
from cnn_anatomy.training import build, fit, parameters

# The head's classifier and the side heads belong to the task, all else transfers.
TASK = ("head.classifier.", "auxiliary.")


def transfer(
    config: DictConfig, network: Network, data: ImageData, choices: Mapping[str, str]
) -> None:
    """Give `network` the weights that `config.transfer` names, if any.

    Raises:
        ConfigError: if they do not fit, or `transfer.layers` is more than there are.
    """
    source = source_config(config)
    if source is None:
        return
    copied = None
    if config.transfer.layers is not None:
        image = torch.zeros(1, *data.shape)
        copied = leading(network, image, config.transfer.layers, key="transfer.layers")
    weights = torch.load(pretrained(source, choices), weights_only=True)
    adopt(network, weights, copied)


def source_config(config: DictConfig) -> DictConfig | None:
    """Return the configuration that trains the source network of a transfer, or None."""
    changes = config.transfer.source
    if changes is None:
        return None
    plain = OmegaConf.create(OmegaConf.to_container(config, resolve=True))
    plain.transfer = {"source": None, "layers": None}
    plain.freeze = {"_target_": "cnn_anatomy.networks.freezing.Nothing"}
    merged = OmegaConf.merge(plain, changes)
    merged.data.seed = merged.seed
    merged.variant = "source network"
    assert isinstance(merged, DictConfig)
    return merged


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
    weights: Mapping[str, torch.Tensor],
    modules: Sequence[torch.nn.Module] | None = None,
) -> None:
    """Copy a source network's weights and statistics, all but those of its task's classifiers.

    `modules` are the only leaves that get them, if not None.

    Raises:
        ConfigError: if a weight is missing, left over or of another shape.
    """
    own = network.state_dict()
    wanted = {k for k in own if not k.startswith(TASK)}
    offered = {k: v for k, v in weights.items() if not k.startswith(TASK)}
    odd = sorted(wanted ^ offered.keys())
    odd += [k for k in sorted(wanted & offered.keys()) if own[k].shape != offered[k].shape]
    if odd:
        raise ConfigError(f"transfer.source does not fit this network: {odd[0]} differs")
    if modules is not None:
        names = {name for name, module in network.named_modules() if module in modules}
        offered = {k: v for k, v in offered.items() if k.rpartition(".")[0] in names}
    network.load_state_dict({**own, **offered})
