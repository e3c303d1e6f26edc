"""torchvision's data sets, held in memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cnn_anatomy.core.errors import ConfigError, packages
from cnn_anatomy.core.paths import HOME
from cnn_anatomy.core.ranges import ProperFraction, Seed
from cnn_anatomy.data.images import ImageSet, Splits, hold_out


class TorchvisionSet:
    """A source: returns the splits when called; validation is held out of train.

    Args:
        dataset: a class of torchvision.datasets with `data` and `targets` or `labels`.
        train, test: its arguments for the two published splits.
        root: folder of the files, in `core.paths.HOME` if relative; they are downloaded into it
            when missing.
        validation: fraction of train that is held out.
        seed: of the split.

    Raises:
        ConfigError: if the files are missing and cannot be downloaded.
    """

    def __init__(
        self,
        dataset: Callable[..., Any],
        train: Mapping[str, Any],
        test: Mapping[str, Any],
        root: str | Path,
        validation: ProperFraction = 0.1,
        seed: Seed = 0,
    ) -> None:
        self.dataset = dataset
        self.train = train
        self.test = test
        self.root = HOME / root
        self.validation = validation
        self.seed = seed

    def __call__(self) -> Splits:
        """Return the splits."""
        train, names = self._read(self.train)
        test, _ = self._read(self.test)
        rest, val = hold_out(train, self.validation, self.seed)
        return Splits(rest, val, test, names)

    def _read(self, arguments: Mapping[str, Any]) -> tuple[ImageSet, tuple[str, ...]]:
        try:
            data = self.dataset(root=str(self.root), download=True, **arguments)
        except (OSError, RuntimeError) as error:
            if isinstance(error, RuntimeError) and packages(error)[-1] != "torchvision":
                raise  # a data set of the user's own has a bug
            raise ConfigError(
                f"data: the files of {getattr(self.dataset, '__name__', self.dataset)} are not in "
                f"{self.root} and cannot be downloaded ({error}): put them there, or use a folder "
                "of images with data=imagefolder data.source.root=FOLDER"
            ) from error
        images = torch.as_tensor(np.asarray(data.data))
        if images.ndim == 3:
            images = images[:, None]
        elif images.shape[-1] == 3:
            images = images.permute(0, 3, 1, 2)
        labels = getattr(data, "targets", None)
        labels = torch.as_tensor(np.asarray(data.labels if labels is None else labels)).long()
        names = getattr(data, "classes", None) or range(int(labels.max()) + 1)
        return ImageSet(images.contiguous(), labels), tuple(str(n) for n in names)
