"""One training as one MLflow run, however often it is interrupted and resumed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from math import isnan
from pathlib import Path
from typing import Any

from lightning.pytorch.loggers.logger import Logger
from mlflow import MlflowClient
from mlflow.entities import Param, Run

from cnn_anatomy.core.full_disk import is_full_disk
from cnn_anatomy.core.interrupts import STOP, Stopped
from cnn_anatomy.core.notices import notice
from cnn_anatomy.core.paths import cache
from cnn_anatomy.core.tracebacks import traceback_text
from cnn_anatomy.core.uris import without_secrets
from cnn_anatomy.tracking.journal import Journal
from cnn_anatomy.tracking.orphans import (
    process_is_gone,
    ran_on_this_host,
    written_by_this_process,
)
from cnn_anatomy.tracking.provenance import provenance_tags
from cnn_anatomy.tracking.store import call_with_retry
from cnn_anatomy.tracking.sweep_run import SWEEP_TAG

REASON_LIMIT = 500  # characters of the tag `reason`; the traceback has the rest


class RunLogger(Logger):
    """Lightning's logger for an open MLflow run; its journal never waits for a lost server.

    `logged` holds every (metric, step) the run has already, so a resumed run logs none twice;
    `values` those that this process has logged.
    """

    def __init__(self, run: Run, journal: Journal, logged: Iterable[tuple[str, int]] = ()) -> None:
        self.run = run
        self.journal = journal
        self.logged = set(logged)
        self.values: dict[tuple[str, int], float] = {}
        self.is_final = False

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

    @contextmanager
    def final_metrics(self) -> Iterator[None]:
        """Log at step 0, without an epoch, what is logged in the block: it is measured once.

        MLflow's UI draws bars for such a metric, for others curves, were they of a single point.
        """
        self.is_final = True
        try:
            yield
        finally:
            self.is_final = False

    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        """Log the metrics that the run lacks at this step; name one that comes with a second value.

        What comes with an `epoch`, which Lightning counts from 0, gets the number of epochs done as
        its step, 0 for the untrained network: MLflow draws curves by step, and batches say less.
        """
        values = {name: float(value) for name, value in metrics.items()}
        if "epoch" in values:
            values["epoch"] += 1
            step = int(values["epoch"])
        if self.is_final:
            values.pop("epoch", None)
            step = 0
        step = step or 0
        new = {name: v for name, v in values.items() if (name, step) not in self.logged}
        if new:
            self.logged |= {(name, step) for name in new}
            self.journal.metrics(new, step)
        for name, value in values.items():
            kept = self.values.setdefault((name, step), value)
            if kept != value and not (isnan(kept) and isnan(value)):
                notice(
                    f"{name} is logged at step {step} as {kept:g} and as {value:g}: {kept:g} stays"
                )

    def log_folder(self, folder: str) -> None:
        """Log every file of `folder` as an artifact."""
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
    log: str | None = None,
) -> Iterator[RunLogger]:
    """Open a run, yield its logger, and end the run FINISHED, FAILED or KILLED.

    A run of the same key that was interrupted is resumed, otherwise a new one is created; the tag
    `resumed` counts the resumptions. Ctrl-C and SIGTERM leave it KILLED. The tag `reason` says
    why a run failed, the artifact traceback.txt where.

    Args:
        uri: the store.
        experiment: id of the experiment.
        name: name of a new run.
        tags: tags of the run; `key` and `kind` identify a run to resume.
        params: parameters; a resumed run keeps those it has. Addresses in them are recorded
            without user names and passwords.
        parent: run id of the sweep.
        journals: folder where writes wait for a lost server; the cache's by default.
        log: path of the file that receives this process's output, if a launcher keeps one.

    Raises:
        ConnectionError: if the server is lost for good before the run is open.
    """
    optional = {"mlflow.parentRunId": parent, SWEEP_TAG: parent, "log": log}
    tags = {**tags, **provenance_tags(), **{k: v for k, v in optional.items() if v}}
    record = _RunRecord(MlflowClient(uri), experiment, tags, journals or cache() / "journal")
    status, reason, failure = "FINISHED", "", None
    try:
        yield call_with_retry(uri, lambda: record.open(name, params))
    except BaseException as error:
        status, reason = _outcome(error)
        failure = error if isinstance(error, Exception) else None
        raise
    finally:
        record.end(status, reason, failure)


class _RunRecord:
    """The MLflow run of one training: created or resumed by `open`, ended by `end`."""

    def __init__(
        self, client: MlflowClient, experiment: str, tags: Mapping[str, str], journals: Path
    ) -> None:
        self.client = client
        self.experiment = experiment
        self.tags = tags
        self.journals = journals
        self.journal: Journal | None = None

    def open(self, name: str, params: Mapping[str, Any]) -> RunLogger:
        """Resume the interrupted run of the same key, or create one; return its logger."""
        client, checkpoints = self.client, self.journals.parent / "checkpoints"
        # Held, so that a run that exists always has its journal, by which it is ended.
        with STOP.held():
            interrupted = find_interrupted_run(client, self.experiment, self.tags, checkpoints)
            run = interrupted or client.create_run(
                self.experiment, run_name=name, tags=dict(self.tags)
            )
            self.journal = Journal(client, run.info.run_id, self.journals)
            if interrupted is not None:
                self.journal.flush()  # it may hold how the run ended last time
                run = client.get_run(run.info.run_id)
                _resume(client, run, self.tags)
        # A run resumed on another machine keeps the parameters of the machine where it began.
        new = [
            Param(k, without_secrets(str(v))) for k, v in params.items() if k not in run.data.params
        ]
        client.log_batch(run.info.run_id, params=new)
        return RunLogger(run, self.journal, _logged_metrics(client, run) if interrupted else ())

    def end(self, status: str, reason: str, failure: Exception | None) -> None:
        """End the run, if one was opened, with the traceback of `failure` as an artifact."""
        if self.journal is None:
            return
        with STOP.held():
            if failure is not None:
                _log_traceback(self.journal, failure)
            self.journal.end(status, reason)


def _outcome(error: BaseException) -> tuple[str, str]:
    """Return the status and the reason of a run that `error` ends."""
    if isinstance(error, Stopped):
        return "KILLED", error.reason
    if isinstance(error, KeyboardInterrupt):
        return "KILLED", "stopped by Ctrl-C"
    if is_full_disk(error):
        return "KILLED", "no space is left on the disk"
    if isinstance(error, SystemExit):
        return "FAILED", f"exited with status {error.code}"
    return "FAILED", without_secrets(f"{type(error).__name__}: {error}")[:REASON_LIMIT]


def find_interrupted_run(
    client: MlflowClient, experiment: str, tags: Mapping[str, str], checkpoints: Path
) -> Run | None:
    """Return the latest run with the `key` and `kind` of `tags`, if it was interrupted.

    It was if it is KILLED, or RUNNING without a process that trains it. The caller holds the lock
    of the key in the cache that has the folder `checkpoints`. So a run of another host whose
    checkpoint is there is an orphan: its process held the same lock. And a RUNNING run that
    names this very process was created by a request whose answer the lost server never sent.
    """
    if "key" not in tags:
        return None
    query = f"tags.key = '{tags['key']}' and tags.kind = '{tags.get('kind')}'"
    for run in client.search_runs([experiment], query, max_results=1):
        theirs = run.data.tags
        shares_cache = (checkpoints / run.info.run_id).is_dir() and not ran_on_this_host(theirs)
        is_orphan = shares_cache or process_is_gone(theirs) or written_by_this_process(theirs)
        if run.info.status == "KILLED" or (run.info.status == "RUNNING" and is_orphan):
            return run
    return None


def _resume(client: MlflowClient, run: Run, tags: Mapping[str, str]) -> None:
    """Mark `run` as RUNNING in this process."""
    for key, value in tags.items():  # the process first, or another sweep closes this run
        client.set_tag(run.info.run_id, key, value)
    client.set_tag(run.info.run_id, "resumed", int(run.data.tags.get("resumed", 0)) + 1)
    client.update_run(run.info.run_id, status="RUNNING")
    if "reason" in run.data.tags:
        client.delete_tag(run.info.run_id, "reason")


def _log_traceback(journal: Journal, error: Exception) -> None:
    with tempfile.TemporaryDirectory() as folder:
        text = traceback_text(error)
        (Path(folder) / "traceback.txt").write_text(text, encoding="utf-8")
        journal.artifacts(folder)


def _logged_metrics(client: MlflowClient, run: Run) -> Iterator[tuple[str, int]]:
    """Yield every (metric, step) of `run`."""
    for name in run.data.metrics:
        for metric in client.get_metric_history(run.info.run_id, name):
            yield name, metric.step


def log_dataset(logger: RunLogger, name: str, digests: Mapping[str, str]) -> None:
    """Log the data set as the run's inputs: a digest for each context (training, …)."""
    logger.journal.inputs(name, digests)
