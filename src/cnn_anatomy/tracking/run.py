"""One training as one MLflow run, however often it was interrupted."""

from __future__ import annotations

import os
import subprocess
import tempfile
import traceback
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from mlflow import MlflowClient
from mlflow.entities import Param, Run

from cnn_anatomy.core.hardware import description
from cnn_anatomy.core.interrupts import STOP, Stopped
from cnn_anatomy.core.paths import REPOSITORY, cache
from cnn_anatomy.tracking.journal import Journal
from cnn_anatomy.tracking.orphans import identity, is_gone, is_here
from cnn_anatomy.tracking.store import insist


class RunLogger(Logger):
    """Lightning's logger on a run in MLflow that is open already; it waits for no server.

    `logged` holds every (metric, step) that the run has: a resumed run logs none twice.
    """

    def __init__(self, run: Run, journal: Journal, logged: Iterable[tuple[str, int]] = ()) -> None:
        self.run = run
        self.journal = journal
        self.logged = set(logged)

    @property
    def name(self) -> str:
        """Return the experiment's id."""
        return self.run.info.experiment_id

    @property
    def version(self) -> str:
        """Return the run's id."""
        return self.run_id

    @property
    def run_id(self) -> str:
        """Return the run's id."""
        return self.run.info.run_id

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        """Do nothing: `tracked` logs the parameters."""

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log what was not logged at this step before."""
        step = step or 0
        new = {k: float(v) for k, v in metrics.items() if (k, step) not in self.logged}
        if new:
            self.logged |= {(k, step) for k in new}
            self.journal.metrics(new, step)

    def log_folder(self, folder: str) -> None:
        """Keep every file of `folder` as an artifact."""
        self.journal.artifacts(folder)


@contextmanager
def tracked(
    uri: str,
    experiment: str,
    *,
    name: str,
    tags: Mapping[str, str],
    params: Mapping[str, Any],
    parent: str | None = None,
    journals: Path | None = None,
) -> Iterator[RunLogger]:
    """Open a run, yield its logger, and end it FINISHED, FAILED or (Ctrl-C, SIGTERM) KILLED.

    A run of the same key that was interrupted is opened again, else one is created; the tag
    `resumed` counts how often. The reason of a failure stands in the tag `reason`, all of it in the
    artifact traceback.txt. `journals` is where writes wait for a lost server.
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
    if "CNN_ANATOMY_LOG" in os.environ:  # where the launcher keeps what this process prints
        every["log"] = os.environ["CNN_ANATOMY_LOG"]
    kept = journals or cache() / "journal"
    checkpoints = kept.parent / "checkpoints"
    journal = None
    status, reason = "FAILED", ""

    def opened() -> tuple[Run, Journal, set[tuple[str, int]]]:
        nonlocal journal
        with STOP.held():
            before = interrupted(client, experiment, tags.get("key"), tags.get("kind"), checkpoints)
            run = before or client.create_run(experiment, run_name=name, tags=every)
            journal = Journal(client, run.info.run_id, kept)
            if before:
                journal.flush()  # it may hold how the run ended before
                run = client.get_run(run.info.run_id)
                _reopen(client, run, every)
        # A run that is resumed elsewhere keeps the params of where it began.
        new = [Param(k, str(v)) for k, v in params.items() if k not in run.data.params]
        client.log_batch(run.info.run_id, params=new)
        return run, journal, set(_history(client, run)) if before else set()

    try:
        yield RunLogger(*insist(uri, opened))
        status = "FINISHED"
    except Exception as error:
        reason = f"{type(error).__name__}: {error}"[:500]
        if journal is not None:
            _keep_traceback(journal, error)
        raise
    except (Stopped, KeyboardInterrupt) as error:
        status, reason = "KILLED", getattr(error, "reason", "stopped by Ctrl-C")
        raise
    except SystemExit as error:
        reason = f"exited with status {error.code}"
        raise
    finally:
        if journal is not None:
            with STOP.held():
                journal.end(status, reason)


def interrupted(
    client: MlflowClient,
    experiment: str,
    key: str | None,
    kind: str | None,
    checkpoints: Path,
) -> Run | None:
    """Return the latest run of `key`, if it was stopped or its process is gone.

    The caller holds the lock of `key` in the cache that has `checkpoints`. A run on another
    machine that keeps its own there took the same lock, so that its process is gone, too. One
    that this very process is said to write is one whose creation it was not told of: the server
    was lost at that moment.
    """
    if key is None:
        return None
    query = f"tags.key = '{key}' and tags.kind = '{kind}'"
    for run in client.search_runs([experiment], query, max_results=1):
        status = run.info.status
        tags = run.data.tags
        there = (checkpoints / run.info.run_id).is_dir() and not is_here(tags)
        left = there or is_gone(tags) or tags.items() >= identity().items()
        if status == "KILLED" or (status == "RUNNING" and left):
            return run
    return None


def _reopen(client: MlflowClient, run: Run, tags: Mapping[str, str]) -> None:
    for key, value in tags.items():  # whose process first: until then it is an orphan
        client.set_tag(run.info.run_id, key, value)
    client.set_tag(run.info.run_id, "resumed", int(run.data.tags.get("resumed", 0)) + 1)
    client.update_run(run.info.run_id, status="RUNNING")
    if "reason" in run.data.tags:
        client.delete_tag(run.info.run_id, "reason")


def _keep_traceback(journal: Journal, error: Exception) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = "".join(traceback.format_exception(error))
        (Path(folder) / "traceback.txt").write_text(text, encoding="utf-8")
        journal.artifacts(folder)


def _history(client: MlflowClient, run: Run) -> Iterator[tuple[str, int]]:
    for name in run.data.metrics:
        for metric in client.get_metric_history(run.info.run_id, name):
            yield name, metric.step


def log_dataset(logger: RunLogger, name: str, digests: Mapping[str, str]) -> None:
    """Log the data set as the run's inputs: a digest for each context (training, …)."""
    logger.journal.inputs(name, digests)


def commit() -> str:
    """Return the repository's commit, with a plus sign where the tree differs from it."""
    command = ["git", "-C", str(REPOSITORY), "describe", "--always", "--abbrev=40", "--dirty=+"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return found.stdout.strip() or "unknown"
