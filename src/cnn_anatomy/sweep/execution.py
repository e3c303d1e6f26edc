"""A sweep's run: it opens a parent run per study, trains what is missing, and publishes."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace

from hydra.core.utils import JobReturn
from mlflow import MlflowClient

from cnn_anatomy.core.interrupts import KEPT, STOP, Stopped
from cnn_anatomy.core.paths import STORE_VARIABLE
from cnn_anatomy.launchers.launcher import SweepLauncher
from cnn_anatomy.results.runs import finished_run_ids
from cnn_anatomy.sweep.jobs import Job
from cnn_anatomy.sweep.plan import SweepPlan
from cnn_anatomy.sweep.progress import JOURNAL_HINT, SweepProgress, describe_failure
from cnn_anatomy.sweep.publishing import publish_sweep
from cnn_anatomy.sweep.registering import register_claims
from cnn_anatomy.sweep.retries import train_with_retries
from cnn_anatomy.sweep.study_views import study_views
from cnn_anatomy.sweep.until_decided import missing_seeds
from cnn_anatomy.tracking.journal import sync
from cnn_anatomy.tracking.orphans import close_orphans
from cnn_anatomy.tracking.server import await_server
from cnn_anatomy.tracking.store import prepare
from cnn_anatomy.tracking.sweep_run import OpenSweep, count_runs, record_plan, start_parent
from cnn_anatomy.tracking.views import save_views


def execute(plan: SweepPlan, launcher: SweepLauncher) -> int:
    """Train what is missing of `plan`, publish its pages, print which runs failed and count them.

    Raises:
        Stopped: on Ctrl-C or SIGTERM; what is done is kept.
        ConnectionError: if the tracking server is lost for good.
    """
    try:
        with STOP:
            failures = _train_and_publish(plan, launcher)
    except Stopped:
        print(f"stopped: {KEPT}", file=sys.stderr)
        raise
    for line in failures:
        print(line, file=sys.stderr)
    return len(failures)


def _train_and_publish(plan: SweepPlan, launcher: SweepLauncher) -> list[str]:
    """Return a line for each run that failed."""
    notes = plan.request.descriptions
    experiments = {study: prepare(plan.uri, study, note) for study, note in notes.items()}
    client = MlflowClient(plan.uri)  # `prepare` comes first: it makes the schema under a lock
    register_claims(client, experiments, plan.request.studies)
    _tidy_up(plan, client, experiments)
    sweep = _open(plan, client, experiments)
    status = "KILLED"
    try:
        failures = _train_missing(plan, sweep, launcher)
        if plan.most_seeds is not None and not failures:
            failures = _train_until_decided(plan, plan.most_seeds, sweep, launcher)
        status = "FAILED" if failures else "FINISHED"
    finally:
        _close(plan, sweep, status)
    publish_sweep(plan, sweep)
    failed_runs = {run.data.tags["key"]: run for run in sweep.failed_children()}
    return [
        describe_failure(client, failed_runs[job.key])
        if job.key in failed_runs
        else f"failed: {job.name}: {reason}"
        for job, reason in failures.items()
    ]


def _tidy_up(plan: SweepPlan, client: MlflowClient, experiments: Mapping[str, str]) -> None:
    """Deliver what waits for a lost server, and close the orphans of earlier sweeps."""
    sync(client, plan.cache / "journal")
    for experiment in experiments.values():
        for run in close_orphans(client, experiment):
            print(f"closed: {run.info.run_name}, whose process is gone")


def _open(plan: SweepPlan, client: MlflowClient, experiments: Mapping[str, str]) -> OpenSweep:
    """Start the parent runs, before anything is read: what finishes from now on counts as ours."""
    parents = {}
    for study, experiment in experiments.items():
        parents[study] = start_parent(
            client,
            experiment,
            study,
            plan.records_of(study),
            preset=plan.request.preset,
            until_decided=plan.until_decided,
            tuning=plan.tuning_of(study),
        )
    for record in plan.request.studies:
        save_views(client, experiments[record.name], study_views(record, parents[record.name]))
    return OpenSweep(client, experiments, parents)


def _train_until_decided(
    plan: SweepPlan, most_seeds: int, sweep: OpenSweep, launcher: SweepLauncher
) -> dict[Job, str]:
    """Add runs to the sweep until no claim needs one; return those that failed, with reasons."""
    failures: dict[Job, str] = {}
    while not failures:
        planned = [job.run for job in plan.jobs]
        jobs = plan.key(missing_seeds(plan.request.studies, planned, sweep, most_seeds))
        if not jobs:
            break
        plan = replace(plan, jobs=(*plan.jobs, *jobs))
        for study, parent in sweep.parents.items():
            record_plan(
                sweep.client,
                parent,
                study,
                plan.records_of(study),
                until_decided=True,
                tuning=plan.tuning_of(study),
            )
        failures = _train_missing(replace(plan, jobs=jobs), sweep, launcher)
    return failures


def _train_missing(plan: SweepPlan, sweep: OpenSweep, launcher: SweepLauncher) -> dict[Job, str]:
    """Train the jobs that are not done; return those that failed, with the reason of each."""
    done = {study: finished_run_ids(sweep.client, e) for study, e in sweep.experiments.items()}
    missing: dict[tuple[str, str], Job] = {}
    counted: dict[str, str] = {}  # run done before → its sweep from now on
    for job in plan.jobs:
        study = job.run.study
        if plan.force or job.key not in done[study]:
            missing.setdefault((study, job.key), job)
        else:
            counted[done[study][job.key]] = sweep.parents[study]
    count_runs(sweep.client, counted)
    done_before = len(plan.jobs) - len(missing)
    print(f"{len(plan.jobs)} runs: {done_before} done before, {len(missing)} to train")
    if not missing:
        return {}

    def launch(batch: Sequence[Job]) -> Sequence[JobReturn]:
        words = [job.overrides(plan.uri, sweep.parents[job.run.study]) for job in batch]
        return launcher.launch(words, initial_job_idx=0)

    os.environ[STORE_VARIABLE] = plan.uri  # which the workers inherit
    with SweepProgress(sweep, len(missing)) as progress:
        jobs = list(missing.values())
        failures = train_with_retries(jobs, launch, sweep, launcher.workers)
        progress.finish(len(failures))
    return failures


def _close(plan: SweepPlan, sweep: OpenSweep, status: str) -> None:
    """Deliver the journals, close orphans and end the parent runs, once the server answers."""
    with STOP.held():
        try:
            await_server(plan.uri, give_up=lambda: STOP.number is not None)
            sync(sweep.client, plan.cache / "journal")
            for study, parent in sweep.parents.items():
                close_orphans(sweep.client, sweep.experiments[study], sweep=parent)
                sweep.client.set_terminated(parent, status)
        except ConnectionError as error:
            print(f"{error}: {JOURNAL_HINT}", file=sys.stderr)
            if STOP.number is None:
                raise
