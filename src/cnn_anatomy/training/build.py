"""Building what a configuration names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.data import ImageData
from cnn_anatomy.networks import Network
from cnn_anatomy.networks.freezing import Freezing, freeze
from cnn_anatomy.networks.network import weight_layers
from cnn_anatomy.training.classifier import Classifier
from cnn_anatomy.training.dry_run import require_trainable

AXES = (
    *("model", "data", "block", "pooling", "skip", "inception", "aux", "freeze", "head", "norm"),
    *("activation", "init", "transfer", "optimizer", "scheduler"),
)


def build(config: DictConfig, data: ImageData) -> tuple[Classifier, dict[str, Any]]:
    """Return the classifier, and what was counted in building it (`freeze.layers`)."""
    torch.set_num_threads(config.threads)
    # Filling every new tensor, too, is for finding reads of what was never written: none here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    splits = data.load()
    channels, height, width = data.shape
    pl.seed_everything(config.seed, verbose=False)
    network: Network = instantiate(
        config.model,
        channels=channels,
        size=(height, width),
        classes=len(splits.classes),
        _convert_="all",
    )
    image = torch.zeros(1, channels, height, width)
    freezing: Freezing = instantiate(config.freeze)
    frozen = freezing(network, image)
    freeze(frozen)
    held = [m for _, m in weight_layers(network, image) if not m.weight.requires_grad]
    classifier = Classifier(
        network.to(memory_format=torch.channels_last),
        auxiliary=instantiate(config.aux, _convert_="all"),
        classes=len(splits.classes),
        optimizer=instantiate(config.optimizer),
        scheduler=instantiate(config.scheduler),
        frozen=frozen,
        thaws=freezing.thaws(network),
    )
    steps = len(data.batches(splits.train, train=True)) * config.trainer.max_epochs
    require_trainable(classifier.optimizer, classifier.scheduler, dict(config.trainer), steps)
    return classifier, {"freeze.layers": len(held)}


def parameters(config: DictConfig, choices: Mapping[str, str]) -> dict[str, Any]:
    """Return what MLflow shows of a configuration: each axis by name, the numbers behind it."""
    shown: dict[str, Any] = {axis: choices.get(axis, "custom") for axis in AXES}
    for group in (*AXES, "trainer"):
        values = OmegaConf.to_container(config[group], resolve=True)
        assert isinstance(values, dict)
        for key, value in values.items():
            if isinstance(value, int | float | str) and not str(key).startswith("_"):
                shown[f"{group}.{key!s}"] = value
    return {**shown, "compile": config.compile, "seed": config.seed}
