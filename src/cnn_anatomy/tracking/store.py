"""The store of all runs: created before any worker writes, and retried when its server is lost."""

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

from cnn_anatomy.tracking.artifact_places import artifact_place, follow_the_database
from cnn_anatomy.tracking.server import await_server

REFUSALS = {"INVALID_PARAMETER_VALUE", "RESOURCE_DOES_NOT_EXIST", "RESOURCE_ALREADY_EXISTS"}
ATTEMPTS = 5
RETRY_SECONDS = 2.0
T = TypeVar("T")
os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # at every run's end


def prepare(uri: str, study: str, note: str = "") -> str:
    """Create the store, the experiment and its description where missing; return the id.

    SQLite is put into WAL mode, so that readers and a writer do not wait for each other; its
    artifacts go to `mlartifacts/` beside the file. A lock protects the creation, as MLflow's own
    races between processes.

    Args:
        uri: the store.
        study: name of the experiment.
        note: description of the experiment in MLflow's UI.
    """
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.WARNING)
    if not uri.startswith("sqlite:///"):
        return _experiment(MlflowClient(uri), study, note, None)
    path = Path(uri.removeprefix("sqlite:///")).resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        client = MlflowClient(uri)
        follow_the_database(path)
        experiment = _experiment(client, study, note, artifact_place(path, study))
        with sqlite3.connect(path) as database:
            database.execute("PRAGMA journal_mode=WAL")
    return experiment


def is_empty(uri: str) -> bool:
    """Return whether the store is an SQLite file that does not exist yet."""
    return uri.startswith("sqlite:///") and not Path(uri.removeprefix("sqlite:///")).exists()


def call_with_retry(uri: str, call: Callable[[], T]) -> T:
    """Return what `call` returns; if the server is lost meanwhile, wait for it and retry.

    Raises:
        ConnectionError: if the server does not come back.
        MlflowException: if the server refuses the call, or fails though it answers.
    """
    for _ in range(ATTEMPTS - 1):
        await_server(uri)
        try:
            return call()
        except (MlflowException, OSError) as error:
            if not uri.startswith("http") or is_refusal(error):
                raise
            time.sleep(RETRY_SECONDS)
    await_server(uri)
    return call()


def is_refusal(error: Exception) -> bool:
    """Return whether the server understood a request and refuses it, so that retrying is futile."""
    return getattr(error, "error_code", None) in REFUSALS


def _experiment(client: MlflowClient, name: str, note: str, artifacts: str | None) -> str:
    experiment = _find_experiment(client, name)
    if experiment is None:
        try:
            experiment = client.create_experiment(name, artifact_location=artifacts)
        except MlflowException:
            experiment = _find_experiment(client, name)  # another process may have been faster
            if experiment is None:
                raise
    # Says that the experiment trains models; the UI of MLflow 3.17 goes by its address instead.
    client.set_experiment_tag(experiment, "mlflow.experimentKind", "custom_model_development")
    if note:
        client.set_experiment_tag(experiment, "mlflow.note.content", note)
    return experiment


def _find_experiment(client: MlflowClient, name: str) -> str | None:
    experiment = client.get_experiment_by_name(name)
    return None if experiment is None else experiment.experiment_id
