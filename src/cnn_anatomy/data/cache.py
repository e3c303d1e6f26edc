"""A cache of arrays on disk, addressed by a hash of the settings that produce them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from cnn_anatomy.core.atomic import atomic_write
from cnn_anatomy.core.paths import cache_path


def cached(
    folder: str | Path, name: str, keys: Mapping[str, Any], make: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Return the arrays that `make` computes for the settings `keys`, from the cache if present.

    A relative `folder` is resolved against the repository.
    """
    path = cache_path(folder, name, keys)
    if not path.exists():
        with atomic_write(path) as temporary, temporary.open("wb") as file:
            np.savez(file, **make())
    with np.load(path) as arrays:
        return dict(arrays)
