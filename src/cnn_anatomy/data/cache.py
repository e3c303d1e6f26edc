"""Arrays kept on disk under the hash of what they were made from."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cnn_anatomy.core.paths import cache_path


def cached(
    folder: str | Path, name: str, keys: Mapping[str, Any], make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Return the arrays that `make` returned for `keys`, now or earlier.

    A relative `folder` is one of the repository. Several processes may ask at once: each writes a
    file of its own and renames it into place.
    """
    path = cache_path(folder, name, keys)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(f".{os.getpid()}.part")
        with part.open("wb") as file:
            np.savez(file, **make())
        part.replace(path)
    with np.load(path) as arrays:
        return dict(arrays)
