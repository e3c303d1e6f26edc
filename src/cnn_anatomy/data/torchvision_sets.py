"""torchvision's data sets, held in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from cnn_anatomy.core.errors import ConfigError, packages
from cnn_anatomy.core.paths import HOME
from cnn_anatomy.core.ranges import ProperFraction, Seed
from cnn_anatomy.data.images import ImageSet, Splits, hold_out
from cnn_anatomy.data.own import OwnDataset
from cnn_anatomy.data.pixels import Pixels

# The keywords of each split where they are not split="train" and "test", or train=True and False.
SPLITS: Mapping[str, Mapping[str, Any]] = {
    "DTD": {split: {"split": split} for split in ("train", "val", "test")},
    "Flowers102": {split: {"split": split} for split in ("train", "val", "test")},
    "OxfordIIITPet": {"train": {"split": "trainval"}},
}
UNSPLIT = ("EuroSAT",)  # a fifth of the images is the test split


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
        data = downloaded(self.dataset, self.root, arguments)
        images = torch.as_tensor(np.asarray(data.data))
        if images.ndim == 3:
            images = images[:, None]
        elif images.shape[-1] == 3:
            images = images.permute(0, 3, 1, 2)
        labels = getattr(data, "targets", None)
        labels = torch.as_tensor(np.asarray(data.labels if labels is None else labels)).long()
        names = getattr(data, "classes", None) or range(int(labels.max()) + 1)
        return ImageSet(images.contiguous(), labels), tuple(str(n) for n in names)


class TorchvisionDataset(OwnDataset):
    """A source: one of torchvision's data sets by its name, read item by item.

    Args:
        name: of a class of torchvision.datasets.
        root: folder of the files, in `core.paths.HOME` if relative; they are downloaded into it
            when missing.
        settings: see `OwnDataset`.

    Raises:
        ConfigError: if there is no such data set, or its files are missing and can't be downloaded.
    """

    key = "data.source.name"

    def __init__(self, name: str, root: str | Path, **settings: Any) -> None:
        splits = {"train": None, "test": None, "val": None, **SPLITS.get(name, {})}
        splits |= {split: words for split, words in settings.items() if split in splits and words}
        super().__init__(f"torchvision.datasets.{name}", **{**settings, **splits})
        self.root = HOME / root

    def _arguments(self, make: Callable[..., Any]) -> dict[str, dict[str, Any]]:
        if self.name in UNSPLIT:
            return {"train": self.args}
        return super()._arguments(partial(make, root=self.root))

    def _opened(self, make: Callable[..., Any], words: Mapping[str, Any]) -> Any:
        return downloaded(make, self.root, words)

    def _items(self, dataset: Any, count: int) -> Iterator[tuple[Pixels, int]]:
        with ThreadPoolExecutor() as pool:
            yield from pool.map(partial(self._item, dataset), range(count))


def downloaded(dataset: Callable[..., Any], root: Path, arguments: Mapping[str, Any]) -> Any:
    """Return a data set of torchvision's, whose files are downloaded to `root` when missing.

    Raises:
        ConfigError: if they are missing and cannot be downloaded.
    """
    try:
        return dataset(root=str(root), download=True, **arguments)
    except (OSError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and packages(error)[-1] != "torchvision":
            raise  # a data set of the user's own has a bug
        raise ConfigError(
            f"data: the files of {getattr(dataset, '__name__', dataset)} are not in "
            f"{root} and cannot be downloaded ({error}): put them there, or use a folder "
            "of images with data=imagefolder data.source.root=FOLDER"
        ) from error
