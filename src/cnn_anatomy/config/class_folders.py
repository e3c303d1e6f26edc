"""Trees of class folders: their splits, which images of which class there are, what is skipped."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cnn_anatomy.config.image_files import read_rgb, suffixes
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.notices import notice
from cnn_anatomy.core.paths import cache_path

SPLIT_NAMES = {
    **dict.fromkeys(("train", "training"), "train"),
    **dict.fromkeys(("val", "valid", "validation"), "val"),
    **dict.fromkeys(("test", "testing"), "test"),
}
# What operating systems, file servers and Python leave in folders; names with a dot first, too.
SYSTEM_NAMES = {
    *("__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "@eadir", "lost+found"),
    *("$recycle.bin", "system volume information", "__pycache__"),
}
CHECKED: set[Path] = set()  # by this process: files of the cache that will hold images it has read
DECODER_VERSION = 2  # of cached pixels: one more when the same file gives others


@dataclass(frozen=True)
class Listing:
    """The images of one split, class by class.

    Args:
        folder: holds a folder for each class.
        files: every image.
        labels: the index into `names` of each image.
        names: of the class folders, sorted.
        skipped: how many files of each suffix Pillow does not decode, and how many images lie
            beside the class folders.
        dangling: links that lead nowhere.
    """

    folder: Path
    files: list[Path]
    labels: list[int]
    names: tuple[str, ...]
    skipped: Counter[str] = field(default_factory=Counter)
    dangling: int = 0

    def keys(self, size: int) -> dict[str, Any]:
        """Return everything that the images decoded to `size` pixels depend on."""
        stamps = [(str(f.relative_to(self.folder)), *_stamp(f)) for f in self.files]
        return {"size": size, "files": stamps, "version": DECODER_VERSION}

    @property
    def notices(self) -> list[str]:
        """Return a line on the files that are no images, and one on dangling links."""
        lines = []
        if self.skipped:
            counts = ", ".join(f"{n} {suffix}" for suffix, n in sorted(self.skipped.items()))
            lines.append(f"{self.folder}: left out as no images of a class: {counts}")
        if self.dangling:
            lines.append(f"{self.folder}: {self.dangling} links lead nowhere and are left out")
        return lines


@dataclass(frozen=True)
class ImageTree:
    """The listings of a tree's splits; a split that is None is to be held out of train."""

    train: Listing
    val: Listing | None = None
    test: Listing | None = None
    notices: tuple[str, ...] = ()


def read_tree(root: str | Path) -> ImageTree:
    """Return the images below `root`: class folders, or folders train, val and test of them.

    Split folders are known by their names in any case (valid, validation and testing, too). Without
    test, val is the test split. A folder called `train` that holds images itself is a class.

    Raises:
        ConfigError: if a folder is missing, empty or of one class, the splits have different
            classes, or the tree looks like splits but is none that is understood.
    """
    root = Path(root).expanduser()
    if not root.is_dir():
        raise ConfigError(f"data.source.root={root} is no folder")
    folders = [entry for entry in _entries(root) if entry.is_dir()]
    nested = {folder: _class_names(folder) for folder in folders}
    splits = [f for f in folders if f.name.lower() in SPLIT_NAMES and nested[f]]
    if not splits:
        _refuse_unnamed_splits(root, nested)
        listing = _listing(root)
        return ImageTree(listing, notices=tuple(listing.notices))
    return _split_tree(root, folders, splits)


def check_images(root: str, size: int, cache: str) -> None:
    """Read every image that was never decoded to the cache, once; print what is left out.

    Raises:
        ConfigError: if the tree is none (see `read_tree`), or a file is no image.
    """
    tree = read_tree(root)
    for line in tree.notices:
        notice(line)
    for listing in filter(None, (tree.train, tree.val, tree.test)):
        decoded = cache_path(cache, "imagefolder", listing.keys(size))
        if decoded not in CHECKED and not decoded.exists():
            with ThreadPoolExecutor() as pool:
                for _ in pool.map(lambda path: read_rgb(path).close(), listing.files):
                    pass
        CHECKED.add(decoded)


def _split_tree(root: Path, folders: list[Path], splits: list[Path]) -> ImageTree:
    """Return the tree of `root`, whose subfolders are `folders`, some of them `splits`."""
    listed = ", ".join(f"{folder.name}/" for folder in folders)
    others = [folder.name for folder in folders if folder not in splits]
    if others:
        raise ConfigError(
            f"data.source.root={root} holds {listed}, and {others[0]} is no split of images: leave "
            "only train, val and test there"
        )
    named = {SPLIT_NAMES[folder.name.lower()]: folder for folder in splits}
    if len(named) < len(splits) or "train" not in named or len(named) == 1:
        raise ConfigError(
            f"data.source.root={root} holds {listed}, which is not understood: name train and "
            "test, and val if there is one, each once; or give a folder of class folders"
        )
    listings = {split: _listing(folder) for split, folder in named.items()}
    train = listings["train"]
    for listing in listings.values():
        odd = sorted(set(train.names) ^ set(listing.names))
        if odd:
            raise ConfigError(f"data.source.root={root}: class {odd[0]} is in one split only")
    notices = [line for listing in listings.values() for line in listing.notices]
    if "test" not in listings:
        listings["test"] = listings.pop("val")
        notices.append(
            f"data.source.root={root} has no test folder: {named['val'].name} is the test split, "
            "and validation is held out of train"
        )
    return ImageTree(train, listings.get("val"), listings["test"], tuple(notices))


def _refuse_unnamed_splits(root: Path, nested: dict[Path, frozenset[str]]) -> None:
    """Raise a ConfigError where every subfolder of `root` holds folders of the same names."""
    names = set(nested.values())
    if len(nested) > 1 and len(names) == 1 and len(next(iter(names))) > 1:
        first, second, *_ = (folder.name for folder in nested)
        raise ConfigError(
            f"data.source.root={root} looks like splits, as {first} and {second} hold folders of "
            "the same names: call them train, val and test, or give one of them as the root"
        )


def _class_names(folder: Path) -> frozenset[str]:
    """Return the names of the folders in `folder`; none where it holds images itself."""
    entries = list(_entries(folder))
    if any(entry.suffix.lower() in suffixes() and entry.is_file() for entry in entries):
        return frozenset()
    return frozenset(entry.name for entry in entries if entry.is_dir())


def _listing(folder: Path) -> Listing:
    """Return the images of the class folders in `folder`, subfolders and links included."""
    entries = list(_entries(folder))
    names = tuple(entry.name for entry in entries if entry.is_dir())
    if len(names) < 2:
        raise ConfigError(
            f"data.source.root={folder} holds {len(names)} class folder(s): two are needed"
        )
    files: list[Path] = []
    labels: list[int] = []
    loose = sum(entry.is_file() and entry.suffix.lower() in suffixes() for entry in entries)
    skipped = Counter({"images in no class folder": loose}) if loose else Counter[str]()
    dangling = sum(not entry.exists() for entry in entries)
    for label, name in enumerate(names):
        images = 0
        for file in _files(folder / name):
            if file.suffix.lower() not in suffixes():
                skipped[file.suffix.lower() or "without a suffix"] += 1
            elif not file.exists():
                dangling += 1
            else:
                files.append(file)
                images += 1
        if not images:
            raise ConfigError(f"data.source.root: class folder {folder / name} has no image")
        labels += [label] * images
    return Listing(folder, files, labels, names, skipped, dangling)


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files below `folder` in the order of their paths, each real folder once."""
    visited: set[Path] = set()
    paths: list[Path] = []
    for here, folders, names in os.walk(folder, followlinks=True):
        real = Path(here).resolve()
        if real in visited:  # a link that leads back
            folders.clear()
            continue
        visited.add(real)
        folders[:] = sorted(name for name in folders if not _is_dropping(name))
        paths += [Path(here) / name for name in names if not _is_dropping(name)]
    yield from sorted(paths)


def _entries(folder: Path) -> Iterator[Path]:
    """Yield what `folder` holds, sorted by name, without what systems and editors leave there."""
    yield from sorted(entry for entry in folder.iterdir() if not _is_dropping(entry.name))


def _is_dropping(name: str) -> bool:
    """Return whether a file or folder is hidden, a system's, or an editor's copy."""
    copy = name.endswith(("~", ".bak", ".tmp", ".part", ".swp")) or name[:1] == name[-1:] == "#"
    return name.startswith(".") or name.lower() in SYSTEM_NAMES or copy


def _stamp(path: Path) -> tuple[int, int]:
    """Return size in bytes and time of change in nanoseconds."""
    stat = path.stat()
    return stat.st_size, stat.st_mtime_ns
