"""Where things are."""

from __future__ import annotations

import os
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
RESULTS = REPOSITORY / "experiments" / "results"


def tracking_uri(uri: str | None = None) -> str:
    """Return `uri`, or MLFLOW_TRACKING_URI, or SQLite's mlflow.db in the repository."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{REPOSITORY}/mlflow.db"


def cache(folder: str | None = None) -> Path:
    """Return `folder`, or CNN_ANATOMY_CACHE, or .cache; a relative one is of the repository."""
    return REPOSITORY / (folder or os.environ.get("CNN_ANATOMY_CACHE") or ".cache")
