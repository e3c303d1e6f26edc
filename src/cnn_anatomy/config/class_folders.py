"""Trees of class folders: which images of which class there are, and whether they can be read."""

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
class Listing:
    """The images of a folder, class by class.

    Args:
        files: every image.
        labels: the index into `names` of each.
        names: of the class folders.
    """

    folder: Path
    files: list[Path]
    labels: list[int]
    names: tuple[str, ...]

    def keys(self, size: int) -> dict[str, Any]:
        """Return what the arrays decoded to `size` pixels depend on."""
        stamps = [(str(f.relative_to(self.folder)), *_stamp(f)) for f in self.files]
        return {"size": size, "files": stamps, "version": 1}


def listings(root: str | Path) -> list[Listing]:
    """Return the listings of `root`/train and `root`/test, or that of `root` alone.

    Raises:
        ConfigError: if a folder is missing, empty or of one class.
    """
    root = Path(root).expanduser()
    if not ((root / "train").is_dir() and (root / "test").is_dir()):
        return [_listing(root)]
    train, test = _listing(root / "train"), _listing(root / "test")
    if train.names != test.names:
        odd = sorted(set(train.names) ^ set(test.names))[0]
        raise ConfigError(f"data.source.root={root}: class {odd} is in one split only")
    return [train, test]


def check_images(root: str, size: int, cache: str) -> None:
    """Read every image that was never decoded to the cache.

    Raises:
        ConfigError: if a folder is missing, empty or of one class, or a file is no image.
    """
    for listing in listings(root):
        if not cache_path(cache, "imagefolder", listing.keys(size)).exists():
            with ThreadPoolExecutor() as pool:
                for _ in pool.map(lambda path: opened(path).close(), listing.files):
                    pass


def opened(path: Path) -> Image.Image:
    """Return a decoded image in RGB.

    Raises:
        ConfigError: if it can't be read.
    """
    try:
        with Image.open(path) as file:
            return file.convert("RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ConfigError(f"data.source.root: {path} is no readable image ({error})") from error


def _listing(folder: Path) -> Listing:
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
        mine = sorted(f for f in (folder / name).rglob("*") if f.suffix.lower() in SUFFIXES)
        if not mine:
            raise ConfigError(f"data.source.root: class folder {folder / name} has no image")
        files += mine
        labels += [label] * len(mine)
    return Listing(folder, files, labels, names)


def _stamp(path: Path) -> tuple[int, int]:
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
