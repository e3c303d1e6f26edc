"""Folders of images, one for each class: which files they hold, and whether these can be read."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import cache_path

SUFFIXES = {".jpg", ".jpeg", ".png", ".bmp", ".webp"}


@dataclass(frozen=True)
class ClassFolders:
    """The images below a folder, class by class.

    Args:
        folder: holds the class folders.
        files: the path of every image.
        labels: for every image, the index of its class in `names`.
        names: the class folders' names.
    """

    folder: Path
    files: list[Path]
    labels: list[int]
    names: tuple[str, ...]

    def keys(self, size: int) -> dict[str, Any]:
        """Return everything that the images decoded to `size` pixels depend on."""
        stamps = [(str(f.relative_to(self.folder)), *_stamp(f)) for f in self.files]
        return {"size": size, "files": stamps, "version": 1}


def list_images(root: str | Path) -> list[ClassFolders]:
    """List the images below `root`/train and `root`/test, or below `root` if it lacks one of them.

    Raises:
        ConfigError: if a folder is missing, empty or of one class.
    """
    root = Path(root).expanduser()
    if not ((root / "train").is_dir() and (root / "test").is_dir()):
        return [_list_classes(root)]
    train, test = _list_classes(root / "train"), _list_classes(root / "test")
    if train.names != test.names:
        unshared = sorted(set(train.names) ^ set(test.names))
        raise ConfigError(f"data.source.root={root}: class {unshared[0]} is in one split only")
    return [train, test]


def check_images(root: str, size: int, cache: str) -> None:
    """Read every image, unless the cache holds all of them decoded.

    Raises:
        ConfigError: if a folder is missing, empty or of one class, or a file is no image.
    """
    for folders in list_images(root):
        if not cache_path(cache, "imagefolder", folders.keys(size)).exists():
            with ThreadPoolExecutor() as pool:
                for _ in pool.map(lambda path: open_image(path).close(), folders.files):
                    pass


def open_image(path: Path) -> Image.Image:
    """Read an image in RGB.

    Raises:
        ConfigError: if it can't be read.
    """
    try:
        with Image.open(path) as file:
            return file.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ConfigError(f"data.source.root: {path} is no readable image ({error})") from error


def _list_classes(folder: Path) -> ClassFolders:
    if not folder.is_dir():
        raise ConfigError(f"data.source.root={folder} is no folder")
    names = tuple(sorted(f.name for f in folder.iterdir() if f.is_dir()))
    if len(names) < 2:
        raise ConfigError(
            f"data.source.root={folder} holds {len(names)} class folder(s): two are needed"
        )
    files: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(names):
        images = sorted(f for f in (folder / name).rglob("*") if f.suffix.lower() in SUFFIXES)
        if not images:
            raise ConfigError(f"data.source.root: class folder {folder / name} has no image")
        files += images
        labels += [label] * len(images)
    return ClassFolders(folder, files, labels, names)


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
