"""Any tree of class folders, decoded once."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Le

from cnn_anatomy.config.class_folders import Listing, read_tree
from cnn_anatomy.config.image_files import read_rgb
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.ranges import ProperFraction, Seed
from cnn_anatomy.data.cache import cached
from cnn_anatomy.data.images import ImageSet, Splits, hold_out
from cnn_anatomy.data.pixels import centre_cropped


class ImageFolder:
    """A source: returns the splits when called.

    `root` holds folders `train`, `test` and perhaps `val` with a folder for each class (see
    `read_tree`), or the class folders themselves, of which a fifth of the images then is the test
    split. Without `val`, `validation` of the training images are held out. Images are resized
    (shorter side) and cropped at the centre to `size` pixels.

    Raises:
        ConfigError: if a folder is missing, empty or of one class, a file is no image, or a class
            has too few images for every split.
    """

    def __init__(
        self,
        root: str | Path,
        size: Annotated[int, Ge(1), Le(4096)] = 32,
        validation: ProperFraction = 0.1,
        seed: Seed = 0,
        cache: str | Path = ".cache",
    ) -> None:
        self.root = root
        self.size = size
        self.validation = validation
        self.seed = seed
        self.cache = cache

    def __call__(self) -> Splits:
        """Return the splits, decoded at the first call and read from the cache after it."""
        tree = read_tree(self.root)
        train = self._read(tree.train)
        if tree.test is not None:
            test = self._read(tree.test)
        else:
            train, test = self._held_out(train, 0.2, tree.train.names)
        if tree.val is not None:
            val = self._read(tree.val)
        else:
            train, val = self._held_out(train, self.validation, tree.train.names)
        return Splits(train, val, test, tree.train.names)

    def _held_out(
        self, images: ImageSet, fraction: float, names: Sequence[str]
    ) -> tuple[ImageSet, ImageSet]:
        """Return (the rest, the images held out), with images of every class in both.

        Raises:
            ConfigError: if a class has one image only.
        """
        counts = images.labels.bincount(minlength=len(names))
        for name, count in zip(names, counts.tolist(), strict=True):
            if count < 2:
                raise ConfigError(
                    f"data.source.root={self.root}: class {name} has too few images for training, "
                    "validation and test: it needs 3, or folders train, val and test of its own"
                )
        return hold_out(images, fraction, self.seed)

    def _read(self, folders: Listing) -> ImageSet:
        def make() -> dict[str, Any]:
            with ThreadPoolExecutor() as pool:
                images = np.stack(list(pool.map(self._decode, folders.files)))
            return {"images": images, "labels": np.array(folders.labels, np.int64)}

        arrays = cached(self.cache, "imagefolder", folders.keys(self.size), make)
        return ImageSet(*(torch.from_numpy(arrays[a]) for a in ("images", "labels")))

    def _decode(self, path: Path) -> np.ndarray[Any, Any]:
        image = centre_cropped(read_rgb(path), self.size)
        return np.asarray(image).transpose(2, 0, 1)
