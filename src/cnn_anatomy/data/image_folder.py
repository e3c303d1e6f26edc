"""Any tree of class folders, decoded once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Le
from PIL import Image

from cnn_anatomy.config.class_folders import ClassFolders, list_images, open_image
from cnn_anatomy.core.ranges import ProperFraction, Seed
from cnn_anatomy.data.cache import cached
from cnn_anatomy.data.images import ImageSet, Splits, hold_out


class ImageFolder:
    """A source: returns the splits when called.

    `root` holds `train/` and `test/` with a folder for each class, or only the class folders; then
    a fifth of the images is the test split. Validation is held out of train. Images are resized
    until the shorter side has `size` pixels, then cropped at the centre.

    Raises:
        ConfigError: if a folder is missing, empty or of one class, or a file is no image.
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
        train, *tests = list_images(self.root)
        images = self._read(train)
        if tests:
            test = self._read(tests[0])
        else:
            images, test = hold_out(images, 0.2, self.seed)
        rest, val = hold_out(images, self.validation, self.seed)
        return Splits(rest, val, test, train.names)

    def _read(self, folders: ClassFolders) -> ImageSet:
        def make() -> dict[str, Any]:
            with ThreadPoolExecutor() as pool:
                images = np.stack(list(pool.map(self._decode, folders.files)))
            return {"images": images, "labels": np.array(folders.labels, np.int64)}

        arrays = cached(self.cache, "imagefolder", folders.keys(self.size), make)
        return ImageSet(*(torch.from_numpy(arrays[a]) for a in ("images", "labels")))

    def _decode(self, path: Path) -> np.ndarray[Any, Any]:
        image = open_image(path)
        if image.size != (self.size, self.size):
            scale = self.size / min(image.size)
            width, height = (max(self.size, round(s * scale)) for s in image.size)
            image = image.resize((width, height), Image.Resampling.BILINEAR)
            left, top = (width - self.size) // 2, (height - self.size) // 2
            image = image.crop((left, top, left + self.size, top + self.size))
        return np.asarray(image).transpose(2, 0, 1)
