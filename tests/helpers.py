"""The real configuration, small enough to train in seconds."""

import os
from pathlib import Path

import torch
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from cnn_anatomy.core.instantiation import instantiate
from cnn_anatomy.core.paths import CONF

REPOSITORY = Path(__file__).resolve().parents[1]
SMALL = (
    "model.width=4",
    "data.source.train=40",
    "data.source.val=20",
    "data.source.test=20",
    "data.batch_size=20",
    "trainer.max_epochs=1",
)


def environment(folder, uri=None, **more):
    """Return the environment of a command with its cache and, by default, its store in `folder`."""
    return {
        **os.environ,
        "MLFLOW_TRACKING_URI": uri or f"sqlite:///{folder}/mlflow.db",
        "CNN_ANATOMY_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "WORKERS": "2",  # more than one: a pool of processes
        **more,
    }


def composed(*overrides):
    """Compose conf/train.yaml with `overrides`."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", list(overrides))


def built(*overrides, size=32, classes=10, device="meta"):
    """Build the network of `overrides`, by default without memory for its weights."""
    config = composed(*overrides)
    OmegaConf.resolve(config)
    with torch.device(device):
        return instantiate(
            config.model, channels=3, size=(size, size), classes=classes, _convert_="all"
        )
