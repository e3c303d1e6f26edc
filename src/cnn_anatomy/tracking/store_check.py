"""Whether a store can be used, said in a sentence before anything is trained."""

from __future__ import annotations

from pathlib import Path

from cnn_anatomy.tracking.artifact_places import follow_the_database
from cnn_anatomy.tracking.server import require_server

SQLITE = "sqlite:///"


def check_store(uri: str) -> None:
    """Check the store at `uri`; a SQLite file that was moved then finds its artifacts.

    Raises:
        ConfigError: if it can't be used.
    """
    require_server(uri)
    path = Path(uri.removeprefix(SQLITE)).resolve()
    if uri.startswith(SQLITE) and path.is_file():
        follow_the_database(path)
