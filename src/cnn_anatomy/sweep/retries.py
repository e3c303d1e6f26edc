"""Training until every run has finished or failed, though workers die."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import BrokenExecutor

from hydra.core.utils import JobReturn, JobStatus

from cnn_anatomy.core.interrupts import STOP, Stopped
from cnn_anatomy.core.sentences import sentence
from cnn_anatomy.sweep.jobs import Job
from cnn_anatomy.tracking.orphans import close_orphans
from cnn_anatomy.tracking.run_cache import training_runs
from cnn_anatomy.tracking.sweep_run import OpenSweep

WORKER_DIED = "its worker died"
# What launching raises when a worker dies: the broken pool's error, or the worker's own if it was
# ended in an orderly way. Anything else is a bug.
WORKER_DEATHS = (BrokenExecutor, MemoryError, SystemExit, Stopped)

Launch = Callable[[Sequence[Job]], Sequence[JobReturn]]


def train_with_retries(
    jobs: Sequence[Job], launch: Launch, sweep: OpenSweep, workers: int
) -> dict[Job, str]:
    """Launch until every job has finished or failed; return the failed ones with the reason.

    When a worker dies and takes the others down, `launch` raises. The store then tells which jobs
    are done and which had begun. One of at most `workers` jobs is the cause, so each of these is
    retried alone. A job whose worker dies while it is alone has failed; so has a job that `launch`
    returns as failed.

    Raises:
        ConfigError: if the launcher can't train at all.
    """
    failures: dict[Job, str] = {}
    waiting, suspects = list(jobs), list[Job]()
    while waiting or suspects:
        is_retry = bool(suspects)
        batch = [suspects.pop(0)] if is_retry else waiting
        try:
            outcomes = launch(batch)
        except WORKER_DEATHS as error:
            if STOP.number is not None:  # this process was stopped, and with it the workers
                raise
            unsettled = _unsettled_jobs(batch, failures, sweep)
            if is_retry:
                _fail(unsettled, failures)
            else:
                suspects, waiting = unsettled[:workers], unsettled[workers:]
                _print_retry(error, suspects)
            continue
        if not is_retry:
            waiting = []
        for job, outcome in zip(batch, outcomes, strict=True):
            if outcome.status != JobStatus.COMPLETED:
                failures[job] = sentence(outcome._return_value)
    return failures


def _fail(jobs: Sequence[Job], failures: dict[Job, str]) -> None:
    for job in jobs:
        failures[job] = f"{WORKER_DIED}, and again when it was alone"
        print(f"failed: {job.name}: {failures[job]}", file=sys.stderr)


def _print_retry(error: BaseException, suspects: Sequence[Job]) -> None:
    names = "; ".join(job.name for job in suspects)
    print(
        f"a worker died ({sentence(error)[:200]}), with it {names}: each is retried alone",
        file=sys.stderr,
    )


def _unsettled_jobs(batch: Sequence[Job], failures: dict[Job, str], sweep: OpenSweep) -> list[Job]:
    """Return the jobs that neither finished nor failed: first those that had begun, in order.

    Only a job that had begun can have killed its worker. The runs of dead workers are closed, and
    the jobs that failed are added to `failures` with their reasons.
    """
    outcomes: dict[tuple[str, str], tuple[str, str]] = {}
    for study in sweep.parents:
        for key, status, reason in _outcomes(study, sweep):
            if status == "FINISHED" or (study, key) not in outcomes:
                outcomes[study, key] = status, reason
    begun, others = list[Job](), list[Job]()
    for job in batch:
        status, reason = outcomes.get((job.run.study, job.key), ("", ""))
        if status == "FAILED":
            failures[job] = reason
        elif status != "FINISHED":
            (begun if status else others).append(job)
    return begun + others


def _outcomes(study: str, sweep: OpenSweep) -> Iterator[tuple[str, str, str]]:
    """Yield (key, status, reason) of the sweep's runs and of others that finished since it began.

    The latest run comes first.
    """
    parent, experiment = sweep.parents[study], sweep.experiments[study]
    close_orphans(sweep.client, experiment, sweep=parent)
    start = sweep.client.get_run(parent).info.start_time
    for run in training_runs(sweep.client, experiment):
        tags = run.data.tags
        is_child = tags.get("mlflow.parentRunId") == parent
        if is_child or (run.info.status == "FINISHED" and run.info.end_time >= start):
            yield tags.get("key", ""), run.info.status, tags.get("reason", "")
