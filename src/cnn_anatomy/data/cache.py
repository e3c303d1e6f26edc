"""A cache of arrays on disk, addressed by a hash of the settings that produce them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from zipfile import BadZipFile
from zlib import error as BadStream

import numpy as np

from cnn_anatomy.core.atomic import atomic_write
from cnn_anatomy.core.notices import notice
from cnn_anatomy.core.paths import cache_path

DAMAGED = (BadZipFile, BadStream, EOFError, ValueError)  # what NumPy raises for a file cut short


def cached(
    folder: str | Path, name: str, keys: Mapping[str, Any], make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Return the arrays that `make` computes for the settings `keys`, from the cache if present.

    A relative `folder` is resolved against the repository. A damaged file is made anew.
    """
    path = cache_path(folder, name, keys)
    if path.exists():
        try:
            return _read(path)
        except DAMAGED:
            notice(f"{path} was damaged and is made anew")
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **make())
    return _read(path)


def _read(path: Path) -> dict[str, Any]:
    with np.load(path) as arrays:
        return dict(arrays)
