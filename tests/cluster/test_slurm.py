"""Sweeps on a real Slurm: array jobs, a requeue half-way, a job that dies, a sweep that is stopped.

They need Debian's slurm-wlm and munge, and may take some minutes.
"""

import os
import signal
import tempfile
from importlib.util import find_spec
from pathlib import Path

import pytest
from processes import ended, until
from slurm_cluster import SlurmCluster, lacking
from sweeps import LONG, SWEEP, TINY, half_way, results, rows, runs, start

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        find_spec("submitit") is None,
        reason="the cluster extra is not installed: make .venv/cluster",
    ),
    pytest.mark.skipif(bool(lacking()), reason=f"not installed: {', '.join(lacking())}"),
]


@pytest.fixture(scope="module")
def slurm():
    with tempfile.TemporaryDirectory() as folder:  # pytest's is too long for a socket
        cluster = SlurmCluster(folder)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture
def sweep(slurm, tmp_path):
    """Return a function that starts a sweep on Slurm in a folder of the test's."""

    def begin(*words, **more):
        own = {k: v for k, v in slurm.environment.items() if k in ("PATH", "SLURM_CONF")}
        return start(tmp_path / "slurm", "slurm", *words, **own, **more)

    return begin


def test_its_table_is_that_of_local_workers_to_the_bit(sweep, tmp_path):
    printed, told = ended(sweep(*SWEEP))
    alone, _ = ended(start(tmp_path / "local", "local", *SWEEP))
    found = runs(tmp_path / "slurm")
    assert [r.info.status for r in found] == ["FINISHED"] * 4
    assert len({r.data.tags["pid"] for r in found}) == 4  # each was a job of its own
    assert rows(printed)
    assert rows(printed) == rows(alone)
    assert results(tmp_path / "slurm") == results(tmp_path / "local")
    logs = Path(told.partition("logs in ")[2].split()[0])
    assert len(list(logs.glob("*_log.out"))) == 4
    assert {Path(r.data.tags["log"]).parent for r in found} == {logs}
    print(f"\n4 jobs of an array: {len(results(tmp_path / 'slurm'))} values as of local workers")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undisturbed")
    ended(start(folder, "local", *LONG))
    return results(folder)


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (["scontrol", "requeue"], "SIGTERM"),
        (["scancel", "--signal=USR2"], "SIGUSR2"),  # as Slurm does before the walltime is over
    ],
    ids=["requeued", "walltime"],
)
def test_a_job_that_is_requeued_half_way_goes_on(sweep, slurm, undisturbed, tmp_path, how, reason):
    process = sweep(*LONG)
    folder = tmp_path / "slurm"
    (before,) = until(lambda: half_way(folder), "run half-way")
    (job,) = slurm.call("squeue", "-h", "-o", "%i").split()
    slurm.call(*how, job)
    (stopped,) = until(lambda: [r for r in runs(folder) if r.info.status == "KILLED"], "stop")
    assert stopped.data.tags["reason"] == f"stopped by {reason}"
    ended(process)
    (run,) = runs(folder)
    assert run.info.run_id == before.info.run_id
    assert run.info.status == "FINISHED"
    assert run.data.tags["resumed"] == "1"
    assert run.data.tags["pid"] != before.data.tags["pid"]
    assert results(folder) == undisturbed
    epoch = stopped.data.metrics["epoch"]
    print(f"\n{how}: stopped after epoch {epoch:.0f} of 150, resumed once, same {len(undisturbed)}")


def test_a_job_that_fails_or_dies_is_a_hole_and_the_others_go_on(sweep, tmp_path):
    rates = ("optimizer.lr=0.05,0.02,1e6", "scheduler.max_lr=${optimizer.lr}", "seed=0")
    process = sweep("pooling=max", *TINY, *rates, "trainer.max_epochs=60")
    folder = tmp_path / "slurm"
    (doomed,) = until(lambda: half_way(folder, 5)[:1], "run under way")
    os.kill(int(doomed.data.tags["pid"]), signal.SIGKILL)
    printed, told = ended(process, status=1)
    by_rate = {r.info.run_name.split(" ")[0]: r for r in runs(folder)}
    assert sorted(r.info.status for r in by_rate.values()) == ["FAILED", "FINISHED", "KILLED"]
    summary = [line for line in told.splitlines() if line.startswith("failed: ")][-2:]
    (died,) = (line for line in summary if "ended without a result" in line)
    (diverged,) = (line for line in summary if "it diverged" in line)
    log = Path(died.rpartition("[")[2].rstrip("]"))
    assert str(log) == doomed.data.tags["log"]
    assert "Killed" in log.read_text(encoding="utf-8")
    trace, _, log = diverged.rpartition("[")[2].rstrip("]").partition("; log ")
    assert "FloatingPointError" in Path(trace).read_text(encoding="utf-8")
    assert Path(log).is_file()
    assert "0 of 1" in printed
    print(f"\n{died}\n{diverged}")


def test_a_sweep_that_is_stopped_cancels_its_jobs(sweep, slurm, tmp_path):
    process = sweep(*LONG)
    until(lambda: half_way(tmp_path / "slurm", 5), "run under way")
    os.killpg(process.pid, signal.SIGINT)
    _, told = ended(process, status=130)
    assert "the same command goes on" in told
    assert slurm.call("squeue", "-h") == ""
    (run,) = runs(tmp_path / "slurm")
    assert run.info.status == "KILLED"
    assert run.data.tags["reason"] == "stopped by SIGTERM"
    (parent,) = runs(tmp_path / "slurm", "sweep")
    assert parent.info.status == "KILLED"


def test_what_slurm_refuses_is_one_sentence(sweep, tmp_path):
    _, told = ended(sweep(*LONG, "hydra.launcher.partition=nowhere"), status=2)
    assert told.splitlines()[-1].startswith("hydra/launcher=slurm: the jobs are refused:")
    assert "partition" in told.splitlines()[-1]
    assert "Traceback" not in told
