"""Workers that die: which runs are retried, and which have failed."""

from concurrent.futures import BrokenExecutor
from types import SimpleNamespace

import pytest
from hydra.core.utils import JobStatus
from mlflow import MlflowClient

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.launchers.launcher import failed_job
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.sweep.jobs import Job
from cnn_anatomy.sweep.retries import WORKER_DIED, train_with_retries
from cnn_anatomy.tracking.orphans import PROCESS_DIED
from cnn_anatomy.tracking.provenance import process_tags
from cnn_anatomy.tracking.store import prepare
from cnn_anatomy.tracking.sweep_run import OpenSweep, start_parent

JOBS = [Job(PlannedRun("s", f"v{i}", 0, ()), f"k{i}") for i in range(5)]
OK = SimpleNamespace(status=JobStatus.COMPLETED, _return_value=0.5)


@pytest.fixture
def sweep(uri):
    """Return a store with a sweep's parent, and a function that makes a run as a worker does."""
    experiment = prepare(uri, "s")
    client = MlflowClient(uri)
    parent = start_parent(client, experiment, "s", [], preset=False)

    def make(job, status, reason=None, **process):
        tags = {**process_tags(), **process, "key": job.key, "kind": "run"}
        if reason:
            tags["reason"] = reason
        run = client.create_run(experiment, tags={**tags, "mlflow.parentRunId": parent})
        if status != "RUNNING":
            client.set_terminated(run.info.run_id, status)
        return run

    def run(launch, workers=2):
        sweep = OpenSweep(client, {"s": experiment}, {"s": parent})
        return train_with_retries(JOBS, launch, sweep, workers)

    return SimpleNamespace(client=client, experiment=experiment, make=make, run=run)


GONE = {"pid": "4194303"}


def test_only_the_run_that_dies_alone_has_failed(sweep, capsys):
    launches = []

    def launch(batch):
        launches.append([job.key for job in batch])
        if len(launches) == 1:  # k0 is done, k1 and k2 were under way when a worker died
            sweep.make(JOBS[0], "FINISHED")
            sweep.make(JOBS[1], "RUNNING", **GONE)
            sweep.make(JOBS[2], "RUNNING", **GONE)
            raise BrokenExecutor("a worker was terminated: SIGKILL(-9)")
        if launches[-1] == ["k2"]:
            sweep.make(JOBS[2], "RUNNING", **GONE)
            raise BrokenExecutor("again")
        return [OK] * len(batch)

    failures = sweep.run(launch)
    assert launches == [["k0", "k1", "k2", "k3", "k4"], ["k1"], ["k2"], ["k3", "k4"]]
    assert list(failures) == [JOBS[2]]
    assert failures[JOBS[2]].startswith(WORKER_DIED)
    assert "SIGKILL(-9)" in capsys.readouterr().err
    left = sweep.client.search_runs([sweep.experiment], "attributes.status = 'RUNNING'")
    assert [r.data.tags["kind"] for r in left] == ["sweep"]
    killed = sweep.client.search_runs([sweep.experiment], "attributes.status = 'KILLED'")
    assert {r.data.tags["reason"] for r in killed} == {PROCESS_DIED}


def test_workers_that_die_before_their_runs_begin_end_the_sweep_all_the_same(sweep):
    launches = []

    def launch(batch):
        launches.append([job.key for job in batch])
        raise MemoryError("out of memory")

    assert sweep.run(launch).keys() == set(JOBS)
    assert len(launches) == 3 + 5  # three rounds, each run alone once


def test_a_failure_before_the_pool_broke_keeps_its_reason(sweep):
    def launch(batch):
        if len(batch) == 5:
            sweep.make(JOBS[0], "FAILED", "FloatingPointError: it diverged")
            raise BrokenExecutor("broken")
        return [OK] * len(batch)

    assert sweep.run(launch) == {JOBS[0]: "FloatingPointError: it diverged"}


def test_what_a_job_raised_is_its_reason(sweep):
    bad = SimpleNamespace(status=JobStatus.FAILED, _return_value=ValueError("odd"))
    assert sweep.run(lambda batch: [OK, bad, OK, OK, OK]) == {JOBS[1]: "ValueError: odd"}


def test_a_death_that_the_launcher_returns_is_one_failure(sweep):
    launches = []

    def launch(batch):
        launches.append(batch)
        return [OK, failed_job("it was killed [log]"), OK, OK, OK]

    assert sweep.run(launch) == {JOBS[1]: "it was killed [log]"}
    assert len(launches) == 1


def test_a_launcher_that_has_nowhere_to_train_ends_the_sweep(sweep):
    def launch(batch):
        raise ConfigError("no such partition")

    with pytest.raises(ConfigError, match="no such partition"):
        sweep.run(launch)


@pytest.mark.parametrize("error", [KeyboardInterrupt, TypeError])
def test_ctrl_c_and_bugs_are_no_death_of_a_worker(sweep, error):
    def launch(batch):
        raise error

    with pytest.raises(error):
        sweep.run(launch)
