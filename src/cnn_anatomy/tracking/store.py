"""The store that runs are written to, made once before any worker writes."""

from __future__ import annotations

import logging
import os
import sqlite3
import time
import urllib.error
import urllib.request
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cnn_anatomy.errors import ConfigError


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


def answers(uri: str) -> bool:
    """Return whether the tracking server of `uri` answers within 5 s; a file always does."""
    if not uri.startswith(("http://", "https://")):
        return True
    try:
        urllib.request.urlopen(f"{uri.rstrip('/')}/health", timeout=5).close()
    except urllib.error.HTTPError:
        return True  # it has no such page, but it answers
    except OSError:
        return False
    return True


def require_server(uri: str) -> None:
    """Refuse a tracking server that does not answer.

    Raises:
        ConfigError: if it does not.
    """
    if not answers(uri):
        raise ConfigError(
            f"MLFLOW_TRACKING_URI={uri} does not answer: start that server, or unset the variable "
            "to log to mlflow.db"
        )


def await_server(uri: str, patience: float = 600.0) -> None:
    """Wait up to `patience` seconds for a server that was lost: a run needs its id to begin.

    Raises:
        ConnectionError: if it is still lost then.
    """
    if uri.startswith("http"):  # a journal keeps what fails, so MLflow need not retry for minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    end = time.monotonic() + patience
    while not answers(uri):
        if time.monotonic() > end:
            raise ConnectionError(f"{uri} has not answered for {patience:.0f} s")
        time.sleep(2)


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
