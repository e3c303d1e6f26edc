"""Data sets that are downloaded or read item by item: once, before any worker starts."""

from __future__ import annotations

import json
from collections.abc import Iterable

from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.core.instantiation import instantiate

DOWNLOADED = {
    "cnn_anatomy.data.own.OwnDataset",
    "cnn_anatomy.data.torchvision_sets.TorchvisionDataset",
    "cnn_anatomy.data.torchvision_sets.TorchvisionSet",
}


def download_data(configs: Iterable[DictConfig]) -> None:
    """Load every data set of `configs` that takes long at first, so that its files are in place.

    Raises:
        ConfigError: if files are missing and can't be downloaded, or a data set can't be used.
    """
    sources = {}
    for config in configs:
        if config.data.source.get("_target_") in DOWNLOADED:
            source = OmegaConf.to_container(config.data.source, resolve=True)
            sources[json.dumps(source, sort_keys=True)] = source
    for source in sources.values():
        instantiate(source, _convert_="all")()
