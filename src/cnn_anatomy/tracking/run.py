"""One training as one MLflow run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from lightning.pytorch.loggers import MLFlowLogger
from mlflow import MlflowClient
from mlflow.entities import Dataset, DatasetInput, InputTag, Param

from cnn_anatomy.hardware import description
from cnn_anatomy.paths import REPOSITORY
from cnn_anatomy.tracking.process import identity


class RunLogger(MLFlowLogger):
    """Lightning's logger on a run whose status is not Lightning's business."""

    def finalize(self, status: str = "success") -> None:
        """Do nothing: `tracked` sets the status when all of the run is over."""

    def log_folder(self, folder: str) -> None:
        """Keep every file of `folder` as an artifact."""
        self.experiment.log_artifacts(self.run_id, folder)


@contextmanager
def tracked(
    uri: str,
    experiment: str,
    *,
    name: str,
    tags: Mapping[str, str],
    params: Mapping[str, Any],
    parent: str | None = None,
) -> Iterator[RunLogger]:
    """Create a run, yield its logger, and end it FINISHED, FAILED or (Ctrl-C, exit) KILLED.

    The reason of a failure stands in the tag `reason`.
    """
    client = MlflowClient(uri)
    every = {
        **tags,
        "mlflow.source.git.commit": commit(),
        "mlflow.source.name": "cnn_anatomy.train",
        "hardware": description(),
        "mlflow.user": os.environ.get("USER", "unknown"),
        **identity(),
    }
    if parent:
        every["mlflow.parentRunId"] = parent
    run = client.create_run(experiment, run_name=name, tags=every)
    run_id = run.info.run_id
    client.log_batch(run_id, params=[Param(k, str(v)) for k, v in params.items()])
    status = "FAILED"
    try:
        yield RunLogger(
            experiment_name=client.get_experiment(experiment).name, tracking_uri=uri, run_id=run_id
        )
        status = "FINISHED"
    except Exception as error:
        client.set_tag(run_id, "reason", f"{type(error).__name__}: {error}"[:500])
        raise
    except (KeyboardInterrupt, SystemExit):
        status = "KILLED"
        raise
    finally:
        client.set_terminated(run_id, status)


def log_dataset(logger: RunLogger, name: str, digests: Mapping[str, str]) -> None:
    """Log the data set as the run's inputs: a digest for each context (training, …)."""
    inputs = [
        DatasetInput(
            Dataset(name, digest, source_type="local", source="{}"),
            [InputTag("mlflow.data.context", context)],
        )
        for context, digest in digests.items()
    ]
    logger.experiment.log_inputs(logger.run_id, inputs)


def commit() -> str:
    """Return the repository's commit, with a plus sign where the tree differs from it."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return found.stdout.strip() or "unknown"
