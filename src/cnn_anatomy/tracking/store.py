"""The store that runs are written to, made once before any worker writes."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cnn_anatomy.tracking.server import await_server

REFUSED = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"}
ATTEMPTS = 5
T = TypeVar("T")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # at every run's end


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


def insist(uri: str, call: Callable[[], T]) -> T:
    """Return what `call` returns; if the server is lost meanwhile, wait for it and call again.

    Raises:
        ConnectionError: if it is lost for good.
        MlflowException: what it refuses, or fails at though it answers.
    """
    for attempt in range(ATTEMPTS):
        await_server(uri)
        try:
            return call()
        except (MlflowException, OSError) as error:
            lost = uri.startswith("http") and not is_refusal(error)
            if not lost or attempt == ATTEMPTS - 1:
                raise
            time.sleep(2)
    raise AssertionError


def is_refusal(error: Exception) -> bool:
    """Return whether the server understood and says no, so that asking again is of no use."""
    return getattr(error, "error_code", None) in REFUSED


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
