"""Where things are."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[3]
RESULTS = REPOSITORY / "experiments" / "results"


def tracking_uri(uri: str | None = None) -> str:
    """Return `uri`, or MLFLOW_TRACKING_URI, or SQLite's mlflow.db in the repository."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{REPOSITORY}/mlflow.db"


def cache(folder: str | Path | None = None) -> Path:
    """Return `folder`, or CNN_ANATOMY_CACHE, or .cache; a relative one is of the repository."""
    return REPOSITORY / (folder or os.environ.get("CNN_ANATOMY_CACHE") or ".cache")


def cache_path(folder: str | Path, name: str, keys: Mapping[str, Any]) -> Path:
    """Return the file of the cache for what is made from `keys`."""
    digest = hashlib.sha256(json.dumps(keys, sort_keys=True, default=str).encode()).hexdigest()
    return cache(folder) / f"{name}-{digest[:16]}.npz"
