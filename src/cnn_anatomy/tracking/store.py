"""The store that runs are written to, made once before any worker writes."""

from __future__ import annotations

import logging
import sqlite3
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException


def prepare(uri: str, study: str, note: str = "") -> str:
    """Create store, experiment and its description where they are missing; return its id.

    SQLite is put into WAL mode, so that readers and a writer do not wait for each other; its
    artifacts lie in `mlartifacts/` beside the file. Creation is behind a lock, as MLflow's own
    races between processes.
    """
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    if not uri.startswith("sqlite:///"):
        return _experiment(MlflowClient(uri), study, note, None)
    path = Path(uri.removeprefix("sqlite:///")).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        client = MlflowClient(uri)
        location = (path.parent / "mlartifacts").as_uri()
        experiment = _experiment(client, study, note, f"{location}/{study}")
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA journal_mode=WAL")
    return experiment


def _experiment(client: MlflowClient, name: str, note: str, artifacts: str | None) -> str:
    found = client.get_experiment_by_name(name)
    if found is not None:
        experiment = found.experiment_id
    else:
        try:
            experiment = client.create_experiment(name, artifact_location=artifacts)
        except MlflowException:
            found = client.get_experiment_by_name(name)
            if found is None:
                raise
            experiment = found.experiment_id  # another process was first
    # Without it the UI shows the experiment as one of language models.
    client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")
    if note:
        client.set_experiment_tag(experiment, "mlflow.note.content", note)
    return experiment
