"""Launching runs until each is settled, though workers die."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence

from hydra.core.utils import JobReturn, JobStatus
from mlflow import MlflowClient

from cnn_anatomy.core.errors import ConfigError, sentence
from cnn_anatomy.core.interrupts import STOP, Stopped
from cnn_anatomy.sweep.jobs import Job
from cnn_anatomy.tracking.orphans import close_orphans
from cnn_anatomy.tracking.run_cache import children

DIED = "its worker died"


def settle(
    jobs: Sequence[Job],
    launch: Callable[[Sequence[Job]], Sequence[JobReturn]],
    client: MlflowClient,
    experiments: Mapping[str, str],
    parents: Mapping[str, str],
    workers: int,
) -> dict[Job, str]:
    """Launch until every job has finished or failed; return the reason of each that failed.

    `launch` raises when a worker that died took the others down with it. Then MLflow tells what is
    done and what was under way. The cause is one of `workers` runs: each of these is launched once
    more, alone. One that dies alone has failed, and so has one whose death `launch` returned.

    Raises:
        ConfigError: if the launcher has nowhere to train.
    """
    failures: dict[Job, str] = {}
    left, suspects = list(jobs), list[Job]()
    while left or suspects:
        alone = bool(suspects)
        batch = [suspects.pop(0)] if alone else left
        try:
            returns = launch(batch)
        except ConfigError:
            raise  # of the launcher: no worker was begun
        except BaseException as error:
            if STOP.number is not None or isinstance(error, KeyboardInterrupt):
                raise
            if not isinstance(error, (Exception, SystemExit, Stopped)):
                raise
            open_jobs = _unsettled(batch, failures, client, experiments, parents)
            if alone:
                for job, _ in open_jobs:
                    failures[job] = f"{DIED}, and again when it was alone"
                    print(f"failed: {job.name}: {failures[job]}", file=sys.stderr)
                continue
            # In order, those that had begun first: the others can't have been under way.
            ordered = [job for job, _ in sorted(open_jobs, key=lambda pair: not pair[1])]
            suspects, left = ordered[:workers], ordered[workers:]
            print(
                f"a worker died ({sentence(error)[:200]}), with it "
                f"{'; '.join(j.name for j in suspects)}: each is tried once more, alone",
                file=sys.stderr,
            )
            continue
        if not alone:
            left = []
        for job, result in zip(batch, returns, strict=True):
            if result.status != JobStatus.COMPLETED:
                failures[job] = sentence(result._return_value)
    return failures


def _unsettled(
    batch: Sequence[Job],
    failures: dict[Job, str],
    client: MlflowClient,
    experiments: Mapping[str, str],
    parents: Mapping[str, str],
) -> list[tuple[Job, bool]]:
    """Return the jobs that neither finished nor failed, and whether they had begun.

    Closes the runs of dead workers; the reasons of those that failed are added to `failures`.
    """
    state: dict[tuple[str, str], tuple[str, str]] = {}
    for study, experiment in experiments.items():
        close_orphans(client, experiment, sweep=parents[study])
        began = client.get_run(parents[study]).info.start_time
        for run in children(client, experiment):
            tags = run.data.tags
            mine = tags.get("mlflow.parentRunId") == parents[study]
            if mine or (run.info.status == "FINISHED" and run.info.end_time >= began):
                found = (run.info.status, tags.get("reason", ""))
                known = state.setdefault((study, tags.get("key", "")), found)
                if known[0] != "FINISHED" == run.info.status:
                    state[study, tags.get("key", "")] = found
    unsettled = []
    for job in batch:
        status, reason = state.get((job.run.study, job.key), ("", ""))
        if status == "FAILED":
            failures[job] = reason
        elif status != "FINISHED":
            unsettled.append((job, bool(status)))
    return unsettled
