"""Handwritten digits of random size and position among clutter and noise.

After the cluttered translated digits of Mnih et al. 2014, section 4.2, made from scikit-learn's
8×8 digits. Only integer arithmetic and NumPy's frozen random stream are used, so that the same
settings give the same bytes on any machine.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Le
from sklearn.datasets import load_digits

from cnn_anatomy.config.constraints import check_canvas
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.ranges import Count, Fraction, Seed, Size
from cnn_anatomy.data.cache import cached
from cnn_anatomy.data.images import ImageSet, Splits, stratified

ImageCount = Annotated[int, Ge(10)]  # one for each class
Array = np.ndarray[Any, np.dtype[Any]]


class ClutteredDigits:
    """A source: returns the splits when called.

    No handwritten digit is in two splits: 60 % of them are used for training images, 20 % for
    validation and 20 % for testing.

    Args:
        canvas: side of an image in pixels.
        smallest, largest: side of a digit in pixels.
        clutter: number of patches of other digits in an image.
        patch: side of such a patch in pixels.
        noise: largest change of a pixel value, in units of 0 to 255 (triangular distribution).
        spread: how far from the centre digits of training and validation images are placed, as a
            share of the free space: 0 in the centre, 1 anywhere. Test digits are anywhere.
        train, val, test: number of images.
        seed: of the split and of all draws.
        cache: folder in which the images are kept.

    Raises:
        ConfigError: if the sizes contradict each other, or a split is too small.
    """

    def __init__(
        self,
        canvas: Annotated[int, Ge(8), Le(1024)] = 24,
        smallest: Size = 10,
        largest: Size = 18,
        clutter: Count = 3,
        patch: Size = 5,
        noise: Annotated[int, Ge(0), Le(255)] = 40,
        spread: Fraction = 1.0,
        train: ImageCount = 1500,
        val: ImageCount = 300,
        test: ImageCount = 1000,
        seed: Seed = 0,
        cache: str | Path = ".cache",
    ) -> None:
        check_canvas(patch, smallest, largest, canvas)
        if not 0 <= spread <= 1:
            raise ConfigError(f"data.source.spread={spread} is not between 0 and 1")
        for key, value in {"train": train, "val": val, "test": test}.items():
            if value < 10:
                raise ConfigError(f"data.source.{key}={value} is below 10, an image for each class")
        self.keys = {
            "canvas": canvas,
            "smallest": smallest,
            "largest": largest,
            "clutter": clutter,
            "patch": patch,
            "noise": noise,
            "train": train,
            "val": val,
            "test": test,
            "seed": seed,
            "version": 2,
        }
        self.spread = spread
        self.cache = cache

    def __call__(self) -> Splits:
        """Return the splits, generated at the first call and read from the cache after it."""
        keys = {**self.keys, "spread": self.spread}
        arrays = cached(self.cache, "cluttered-digits", keys, self._make)
        train, val, test = (
            ImageSet(*(torch.from_numpy(arrays[f"{s}_{a}"]) for a in ("images", "labels", "boxes")))
            for s in ("train", "val", "test")
        )
        return Splits(train, val, test, classes=tuple(str(d) for d in range(10)))

    def _make(self) -> dict[str, Array]:
        digits, labels = load_digits(return_X_y=True)
        digits = digits.reshape(-1, 8, 8).astype(np.int64) * 255 // 16
        rest, test = stratified(torch.from_numpy(labels), 0.2, self.keys["seed"])
        train, val = stratified(torch.from_numpy(labels)[rest], 0.25, self.keys["seed"])
        sources = {"train": rest[train], "val": rest[val], "test": test}
        arrays = {}
        for k, (split, source) in enumerate(sources.items()):
            random = np.random.RandomState([self.keys["seed"], k])
            index = source.numpy()
            spread = 1.0 if split == "test" else self.spread
            images, boxes, chosen = self._canvases(digits[index], self.keys[split], spread, random)
            arrays[f"{split}_images"] = images[:, None]
            arrays[f"{split}_boxes"] = boxes
            arrays[f"{split}_source"] = index[chosen]
            arrays[f"{split}_labels"] = labels[index][chosen].astype(np.int64)
        return arrays

    def _canvases(
        self, digits: Array, n: int, spread: float, random: np.random.RandomState
    ) -> tuple[Array, Array, Array]:
        """Return images uint8 (n, S, S), boxes (n, 4) and the index of each image's digit (n,)."""
        side, patch = self.keys["canvas"], self.keys["patch"]
        chosen = np.arange(n) % len(digits)
        random.shuffle(chosen)
        sizes = random.randint(self.keys["smallest"], self.keys["largest"] + 1, n)
        margin = ((side - sizes) * (1 - spread) / 2).astype(np.int64)
        left, top = random.randint(margin, side - sizes - margin + 1, (2, n))
        canvas = np.zeros((n, side, side), np.int64)
        for _ in range(self.keys["clutter"]):
            others = random.randint(0, len(digits), n)
            scale = random.randint(self.keys["smallest"], self.keys["largest"] + 1, n)
            cut = random.randint(0, scale - patch + 1, (2, n))
            place = random.randint(0, side - patch + 1, (2, n))
            for size in np.unique(scale):
                at = np.flatnonzero(scale == size)
                large = resize(digits[others[at]], size)
                source = _windows(np.arange(len(at)), cut[:, at], patch)
                target = _windows(at, place[:, at], patch)
                canvas[target] = np.maximum(canvas[target], large[source])
        for size in np.unique(sizes):
            at = np.flatnonzero(sizes == size)
            target = _windows(at, np.stack([top[at], left[at]]), size)
            canvas[target] = np.maximum(canvas[target], resize(digits[chosen[at]], size))
        reach = self.keys["noise"] // 2
        canvas += random.randint(-reach, reach + 1, (2, *canvas.shape)).sum(0)
        boxes = np.stack([left, top, left + sizes, top + sizes], 1)
        return np.clip(canvas, 0, 255).astype(np.uint8), boxes, chosen


def resize(images: Array, size: int) -> Array:
    """Resize (N, S, S) to (N, size, size): bilinear, with integer weights of 1/256."""
    old = images.shape[-1]
    # Position of each new pixel's centre in old pixels, times 256, clipped to the image.
    centre = ((2 * np.arange(size) + 1) * old * 256 // (2 * size) - 128).clip(0, (old - 1) * 256)
    low, weight = centre // 256, centre % 256
    matrix = np.zeros((size, old), np.int64)
    np.add.at(matrix, (np.arange(size), low), 256 - weight)
    np.add.at(matrix, (np.arange(size), np.minimum(low + 1, old - 1)), weight)
    return (matrix @ images @ matrix.T) >> 16


def _windows(index: Array, corner: Array, side: int) -> tuple[Array, Array, Array]:
    """Return the index arrays of a square window in each image, with its corner at (2, N)."""
    span = np.arange(side)
    rows, columns = corner[0][:, None] + span, corner[1][:, None] + span
    return index[:, None, None], rows[:, :, None], columns[:, None, :]
