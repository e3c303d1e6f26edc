"""Files that a run has kept."""

from __future__ import annotations

from pathlib import Path

from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cnn_anatomy.tracking.store import is_empty


def fetch_artifact(uri: str, run_id: str, name: str, folder: Path) -> Path:
    """Copy a run's artifact `name` into `folder` and return its path.

    Args:
        uri: the store.
        run_id: the run's id.
        name: the artifact's path among those of the run.
        folder: where it is put.

    Raises:
        FileNotFoundError: if there is no such store, run or artifact.
    """
    if is_empty(uri):  # MLflow would create the store
        raise FileNotFoundError(f"{uri} is no store")
    try:
        return Path(MlflowClient(uri).download_artifacts(run_id, name, str(folder)))
    except (MlflowException, OSError) as error:
        raise FileNotFoundError(f"{run_id} has no {name}") from error
