"""Data sets of a user's own: anything with items (image, label) and a length, read once."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from annotated_types import Ge, Le

from cnn_anatomy.config.foreign_code import foreign_code
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.objects import imported
from cnn_anatomy.core.ranges import ProperFraction, Seed
from cnn_anatomy.data.cache import cached
from cnn_anatomy.data.images import ImageSet, Splits, hold_out
from cnn_anatomy.data.pixels import Pixels, to_pixels

Keywords = Mapping[str, Any]
# By a parameter that tells the splits apart: its value for training and for test images.
CONVENTIONS = {"train": (True, False), "split": ("train", "test")}
READER_VERSION = 1  # of cached pixels: one more when the same data set gives others


class OwnDataset:
    """A source: returns the splits when called; validation is held out of train.

    Args:
        target: dotted name of a class of data sets, or of a function that returns one. A data set
            has `__len__`, and `__getitem__` returns (image, label): an image as `to_pixels` takes
            it, and a whole number from 0. Names of the classes are taken from `classes`.
        args: keywords for all splits.
        train, test: further keywords for each split; None means train=True and False, or
            split="train" and "test", whichever the signature takes.
        val: the same for validation images; None to hold them out of train.
        size: images are resized (shorter side) and cropped at the centre to so many pixels; None
            if all have one size.
        validation: fraction of train that is held out.
        seed: of what is held out.
        cache: folder where the pixels are kept.

    Raises:
        ConfigError: if `target` is not found, takes other keywords, or makes no such data set.
    """

    key = "data.source.target"  # of the configuration, for errors

    def __init__(
        self,
        target: str,
        args: Keywords | None = None,
        train: Keywords | None = None,
        test: Keywords | None = None,
        val: Keywords | None = None,
        size: Annotated[int, Ge(1), Le(4096)] | None = None,
        validation: ProperFraction = 0.1,
        seed: Seed = 0,
        cache: str | Path = ".cache",
    ) -> None:
        self.target = target
        self.args = dict(args or {})
        self.keywords = {"train": train, "test": test, "val": val}
        self.size = size
        self.validation = validation
        self.seed = seed
        self.cache = cache

    @property
    def name(self) -> str:
        """Return the name of the data set's class."""
        return self.target.rpartition(".")[2]

    def __call__(self) -> Splits:
        """Return the splits, read at the first call and taken from the cache after it."""
        make = imported(self.key, self.target)
        arguments = self._arguments(make)
        read = {split: self._read(make, words) for split, words in arguments.items()}
        train, names = read["train"]
        if "test" in read:
            test = read["test"][0]
        else:
            train, test = hold_out(train, 0.2, self.seed)
        if "val" in read:
            val = read["val"][0]
        else:
            train, val = hold_out(train, self.validation, self.seed)
        shapes = {tuple(split.images.shape[1:]) for split in (train, val, test)}
        if len(shapes) > 1:
            raise ConfigError(f"{self._said} has splits of different sizes or channels: {shapes}")
        last = max(int(split.labels.max()) for split in (train, val, test))
        if len(names) <= last:
            names = tuple(map(str, range(last + 1)))
        return Splits(train, val, test, names)

    @property
    def _said(self) -> str:
        return f"{self.key}={self.target}"

    def _arguments(self, make: Callable[..., Any]) -> dict[str, dict[str, Any]]:
        """Return the keywords of every split."""
        given = {split: words for split, words in self.keywords.items() if words is not None}
        taken = inspect.signature(make).parameters
        if "train" not in given or "test" not in given:
            free = [name for name in CONVENTIONS if name in taken and name not in self.args]
            if not free:
                raise ConfigError(
                    f"{self._said} takes {', '.join(taken) or 'no keyword'}, and so neither train "
                    "nor split: say how training and test images are told apart, as in "
                    "data.source.train={part:1} data.source.test={part:2}"
                )
            for split, value in zip(("train", "test"), CONVENTIONS[free[0]], strict=True):
                given.setdefault(split, {free[0]: value})
        arguments = {split: {**self.args, **words} for split, words in given.items()}
        for words in arguments.values():
            try:
                inspect.signature(make).bind(**words)
            except TypeError as error:
                raise ConfigError(
                    f"{self._said} takes {', '.join(taken) or 'no keyword'}: {error} (see "
                    "data.source.args, train and test)"
                ) from error
        return arguments

    def _read(self, make: Callable[..., Any], words: Keywords) -> tuple[ImageSet, tuple[str, ...]]:
        """Return a split and the names of its classes, as far as the data set tells them."""
        dataset = self._opened(make, words)
        count = self._length(dataset)
        keys = {
            "target": self.target,
            "arguments": words,
            "code": foreign_code({"_target_": self.target}),
            "files": sorted(_stamps(words)),
            "items": [count, *(_digest(*self._item(dataset, i)) for i in {0, count - 1})],
            "size": self.size,
            "version": READER_VERSION,
        }
        arrays = cached(self.cache, "own", keys, lambda: self._arrays(dataset, count))
        names = getattr(dataset, "classes", None)
        listed = isinstance(names, Sequence) and not isinstance(names, str)
        return (
            ImageSet(*(torch.from_numpy(arrays[a]) for a in ("images", "labels"))),
            tuple(map(str, names)) if listed and names is not None else (),
        )

    def _opened(self, make: Callable[..., Any], words: Keywords) -> Any:
        return make(**words)

    def _length(self, dataset: Any) -> int:
        for method in ("__getitem__", "__len__"):
            if not hasattr(dataset, method):
                raise ConfigError(
                    f"{self._said} makes a {type(dataset).__name__} without {method}: a data set "
                    "needs __getitem__, which returns (image, label), and __len__"
                )
        count = len(dataset)
        if not count:
            raise ConfigError(f"{self._said} makes an empty data set")
        return count

    def _item(self, dataset: Any, index: int) -> tuple[Pixels, int]:
        item = dataset[index]
        if not isinstance(item, Sequence) or isinstance(item, str) or len(item) < 2:
            raise ConfigError(
                f"{self._said}: item {index} is a {type(item).__name__}, and not (image, label)"
            )
        try:
            return to_pixels(item[0], self.size), _label(item[1])
        except ValueError as error:
            raise ConfigError(f"{self._said}: item {index}: {error}") from error

    def _items(self, dataset: Any, count: int) -> Iterator[tuple[Pixels, int]]:
        """Yield every item, one after the other: nothing is known of threads in a user's code."""
        return (self._item(dataset, index) for index in range(count))

    def _arrays(self, dataset: Any, count: int) -> dict[str, Any]:
        pixels, labels = zip(*self._items(dataset, count), strict=True)
        channels = max(len(image) for image in pixels)
        if channels == 3:  # some are grey
            pixels = tuple(np.repeat(p, 3, axis=0) if len(p) == 1 else p for p in pixels)
        shapes = {image.shape for image in pixels}
        if len(shapes) > 1:
            listed = ", ".join("×".join(map(str, shape)) for shape in sorted(shapes)[:3])
            raise ConfigError(
                f"{self._said}: images differ in channels × height × width ({listed}, …): give "
                "data.source.size, to which they are resized and cropped"
            )
        return {"images": np.stack(pixels), "labels": np.array(labels, np.int64)}


def _label(value: Any) -> int:
    """Return a label as a number.

    Raises:
        ValueError: if it is none.
    """
    number = value.item() if hasattr(value, "item") and np.ndim(value) == 0 else value
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise ValueError(f"its label is {value!r}, and not a whole number from 0")
    return number


def _digest(pixels: Pixels, label: int) -> str:
    return hashlib.sha256(pixels.tobytes() + str(label).encode()).hexdigest()


def _stamps(value: Any) -> Iterator[tuple[str, int, int]]:
    """Yield (path, bytes, time) of every file that the arguments name, in folders below, too."""
    if isinstance(value, Mapping | list | tuple):
        for element in value.values() if isinstance(value, Mapping) else value:
            yield from _stamps(element)
    elif isinstance(value, str | Path) and value and Path(value).exists():
        path = Path(value)
        for file in path.rglob("*") if path.is_dir() else [path]:
            if file.is_file():
                state = file.stat()
                yield str(file), state.st_size, state.st_mtime_ns
