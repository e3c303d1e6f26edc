"""Data that may have to be downloaded: once, before any worker starts."""

from __future__ import annotations

import json
from collections.abc import Iterable

from omegaconf import DictConfig, OmegaConf

FETCHED = {"cnn_anatomy.data.torchvision_sets.TorchvisionSet"}


def fetch(configs: Iterable[DictConfig]) -> None:
    """Load each downloaded data set of `configs` once, so that its files are there.

    Raises:
        ConfigError: if they are not there and cannot be downloaded.
    """
    sources = {}
    for config in configs:
        if config.data.source.get("_target_") in FETCHED:
            source = OmegaConf.to_container(config.data.source, resolve=True)
            sources[json.dumps(source, sort_keys=True)] = source
    if sources:
        from hydra.utils import instantiate

        for source in sources.values():
            instantiate(source, _convert_="all")()
