"""Any tree of class folders, decoded once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from cnn_anatomy.data.cache import cached
from cnn_anatomy.data.images import ImageSet, Splits, hold_out
from cnn_anatomy.errors import ConfigError

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


class ImageFolder:
    """The source: call it to get the splits.

    `root` holds `train/` and `test/` with a folder for each class, or the class folders
    themselves, of which a fifth of the images then is the test split. Validation is held out of
    train. Images are resized (shorter side) and cropped at the centre to `size` pixels.

    Raises:
        ConfigError: if a folder is missing, empty or of one class, or a file is no image.
    """

    def __init__(
        self,
        root: str | Path,
        size: int = 32,
        validation: float = 0.1,
        seed: int = 0,
        cache: str | Path = ".cache",
    ) -> None:
        self.root = Path(root).expanduser()
        self.size = size
        self.validation = validation
        self.seed = seed
        self.cache = cache

    def __call__(self) -> Splits:
        """Return the splits, decoded at the first call and read from the cache after it."""
        if (self.root / "train").is_dir() and (self.root / "test").is_dir():
            train, names = self._read(self.root / "train")
            test, others = self._read(self.root / "test")
            if names != others:
                odd = sorted(set(names) ^ set(others))[0]
                raise ConfigError(f"data.source.root={self.root}: class {odd} is in one split only")
        else:
            everything, names = self._read(self.root)
            train, test = hold_out(everything, 0.2, self.seed)
        rest, val = hold_out(train, self.validation, self.seed)
        return Splits(rest, val, test, names)

    def _read(self, folder: Path) -> tuple[ImageSet, tuple[str, ...]]:
        if not folder.is_dir():
            raise ConfigError(f"data.source.root={folder} is no folder")
        names = tuple(sorted(f.name for f in folder.iterdir() if f.is_dir()))
        if len(names) < 2:
            raise ConfigError(
                f"data.source.root={folder} holds {len(names)} class folder(s): two are needed"
            )
        files, labels = [], []
        for label, name in enumerate(names):
            mine = sorted(f for f in (folder / name).rglob("*") if f.suffix.lower() in SUFFIXES)
            if not mine:
                raise ConfigError(f"data.source.root: class folder {folder / name} has no image")
            files += mine
            labels += [label] * len(mine)

        def make() -> dict[str, Any]:
            with ThreadPoolExecutor() as pool:
                images = np.stack(list(pool.map(self._decode, files)))
            return {"images": images, "labels": np.array(labels, np.int64)}

        stamps = [(str(f.relative_to(folder)), *_stamp(f)) for f in files]
        arrays = cached(
            self.cache, "imagefolder", {"size": self.size, "files": stamps, "version": 1}, make
        )
        return ImageSet(*(torch.from_numpy(arrays[a]) for a in ("images", "labels"))), names

    def _decode(self, path: Path) -> np.ndarray[Any, Any]:
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except (OSError, UnidentifiedImageError) as error:
            raise ConfigError(f"data.source.root: {path} is no readable image ({error})") from error
        if image.size != (self.size, self.size):
            scale = self.size / min(image.size)
            width, height = (max(self.size, round(s * scale)) for s in image.size)
            image = image.resize((width, height), Image.Resampling.BILINEAR)
            left, top = (width - self.size) // 2, (height - self.size) // 2
            image = image.crop((left, top, left + self.size, top + self.size))
        return np.asarray(image).transpose(2, 0, 1)


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
