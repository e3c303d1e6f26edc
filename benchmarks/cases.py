"""What is timed: networks on 32×32 images."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.core.paths import CONF

SMALL_SPLITS = ("data.source.canvas=32", "data.source.val=50", "data.source.test=50")


def composed(*overrides: str) -> DictConfig:
    """Compose a run's configuration."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", list(overrides))


@dataclass(frozen=True)
class Case:
    """A network and the number of images in its epoch, which takes a CPU core some seconds."""

    name: str
    images: int
    overrides: tuple[str, ...]

    def config(self, folder: Path, *more: str, epochs: int = 2) -> DictConfig:
        """Compose the case's run, with its store and cache in `folder`."""
        words = [
            *(*SMALL_SPLITS, f"data.source.train={self.images}", f"trainer.max_epochs={epochs}"),
            *(f"tracking.uri=sqlite:///{folder}/mlflow.db", f"paths.cache={folder}/cache"),
            *(*self.overrides, *more),
        ]
        config = composed(*words)
        OmegaConf.resolve(config)
        return config


CASES = (
    Case("ResNet-20", 640, ("model=resnet", "model.depth=20", "data.batch_size=64")),
    Case("Inception", 320, ("model=inception", "inception.depth=9", "data.batch_size=32")),
    Case("small (ResNet-8, width 4)", 3200, ("model.depth=8", "model.width=4")),
)
