"""The artifacts of a SQLite store stay beside its file, wherever the folder of both is moved.

MLflow records the place of an experiment's and of a run's artifacts as an absolute address.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from cnn_anatomy.core.uris import local_path

FOLDER = "mlartifacts"  # beside the database, with a folder for each experiment


def artifact_place(database: Path, study: str) -> str:
    """Return the address at which the experiment `study` keeps its artifacts."""
    return (database.parent / FOLDER / study).as_uri()


def follow_the_database(database: Path) -> None:
    """Correct the addresses of all artifacts that were moved, or copied, with `database`.

    Only addresses that `artifact_place` made elsewhere are corrected. They stay where a copy of the
    database alone was made, whose artifacts are still in their old place.

    Args:
        database: the store's file, an absolute path.

    Raises:
        sqlite3.Error: if it is no store, or can't be written though artifacts were moved.
    """
    with closing(sqlite3.connect(database)) as store, store:
        query = "SELECT experiment_id, artifact_location FROM experiments"
        for experiment, recorded in store.execute(query).fetchall():
            old = local_path(recorded)
            if old is None or old.parent.name != FOLDER:
                continue
            new = database.parent / FOLDER / old.name
            if new == old or (old.is_dir() and not new.is_dir()):
                continue
            store.execute(
                "UPDATE experiments SET artifact_location = ? WHERE experiment_id = ?",
                (new.as_uri(), experiment),
            )
            store.execute(
                "UPDATE runs SET artifact_uri = ? || substr(artifact_uri, ?) "
                "WHERE experiment_id = ? AND substr(artifact_uri, 1, ?) = ?",
                (new.as_uri(), len(recorded) + 1, experiment, len(recorded) + 1, f"{recorded}/"),
            )
