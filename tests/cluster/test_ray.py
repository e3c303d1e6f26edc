"""Sweeps on a real Ray cluster of two nodes, of which one is killed, and on one of their own."""

import os
import signal
import tempfile
from collections import Counter
from importlib.util import find_spec

import pytest
from processes import ended, until
from ray_cluster import QUIET, RayCluster
from sweeps import LONG, SWEEP, half_way, results, rows, runs, start

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(
        find_spec("ray") is None, reason="the cluster extra is not installed: make .venv/cluster"
    ),
]


@pytest.fixture
def cluster():
    with tempfile.TemporaryDirectory() as folder:  # pytest's is too long for a socket
        made = RayCluster(folder)
        try:
            made.start()
            yield made
        finally:
            made.stop()


def test_its_table_is_that_of_local_workers_to_the_bit(cluster, tmp_path):
    words = [*SWEEP[:-1], "hydra.sweeper.seeds=3"]
    printed, _ = ended(start(tmp_path / "ray", "ray", *words, RAY_ADDRESS=cluster.address, **QUIET))
    alone, _ = ended(start(tmp_path / "local", "local", *words))
    found = runs(tmp_path / "ray")
    assert [r.info.status for r in found] == ["FINISHED"] * 6
    workers = Counter(r.data.tags["pid"] for r in found)
    assert len(workers) == 2  # one of each node imported PyTorch, and trained several runs
    assert rows(printed)
    assert rows(printed) == rows(alone)
    assert results(tmp_path / "ray") == results(tmp_path / "local")
    print(f"\n6 runs, {sorted(workers.values())} of each worker: same as of local workers")


def test_the_runs_of_a_node_that_is_killed_half_way_are_run_again(cluster, tmp_path):
    words = [*LONG, "seed=0,1,2"]
    words.remove("seed=0")
    undisturbed = start(tmp_path / "local", "local", *words)
    ended(undisturbed)
    folder = tmp_path / "ray"
    address = f"hydra.launcher.ray.init.address={cluster.address}"
    process = start(folder, "ray", *words, address, **QUIET)
    both = until(lambda: (now := half_way(folder, 5)) and len(now) == 2 and now, "two runs")
    cluster.kill_second()
    ended(process)
    found = runs(folder)
    assert [r.info.status for r in found] == ["FINISHED"] * 3  # none twice, none RUNNING
    assert len({r.data.tags["key"] for r in found}) == 3
    resumed = [r for r in found if r.data.tags.get("resumed")]
    assert len(resumed) == 1
    before = {r.info.run_id: r.data.tags["pid"] for r in both}
    assert resumed[0].data.tags["pid"] != before[resumed[0].info.run_id]
    assert results(folder) == results(tmp_path / "local")
    print(f"\na node killed under {len(both)} of 3 runs: one resumed, same as undisturbed")


def test_a_sweep_that_is_stopped_cancels_its_tasks(cluster, tmp_path):
    process = start(tmp_path / "ray", "ray", *LONG, RAY_ADDRESS=cluster.address, **QUIET)
    until(lambda: half_way(tmp_path / "ray", 5), "run under way")
    process.send_signal(signal.SIGTERM)
    _, told = ended(process, status=143)
    assert "the same command goes on" in told
    (run,) = runs(tmp_path / "ray")
    assert run.info.status == "KILLED"
    assert run.data.tags["reason"].startswith("stopped by")
    until(lambda: not _lives(int(run.data.tags["pid"])) or not half_way(tmp_path / "ray"), "end")


def test_a_cluster_of_its_own_is_started_and_a_failed_run_is_a_hole(tmp_path):
    rates = ("optimizer.lr=0.02,1e6", "scheduler.max_lr=${optimizer.lr}", "pooling=max", "seed=0")
    words = [*rates, *SWEEP[1:-2], "trainer.max_epochs=8", "hydra.launcher.ray.init.num_cpus=2"]
    printed, told = ended(start(tmp_path / "ray", "ray", *words, **QUIET), status=1)
    assert Counter(r.info.status for r in runs(tmp_path / "ray")) == {"FINISHED": 1, "FAILED": 1}
    assert "it diverged" in told.splitlines()[-1]
    assert "0 of 1" in printed


def test_a_run_that_is_larger_than_every_node_is_told(cluster, tmp_path):
    words = [*LONG, "hydra.launcher.ray.remote.num_cpus=2"]
    process = start(tmp_path / "ray", "ray", *words, RAY_ADDRESS=cluster.address, **QUIET)
    line = next(line for line in process.stderr if "joins" in line)
    assert "num_cpus=2 and num_gpus=0, but no node has more than 1 and 0" in line
    process.send_signal(signal.SIGTERM)
    ended(process, status=143)
    words.append("hydra.launcher.ray.init.num_cpus=1")
    _, told = ended(start(tmp_path / "own", "ray", *words, **QUIET), status=2)
    assert told.splitlines()[-1].endswith("but no node has more than 1 and 0")


def test_an_address_where_nothing_is_is_one_sentence(tmp_path):
    _, told = ended(
        start(tmp_path / "ray", "ray", *LONG, RAY_ADDRESS="127.0.0.1:9", **QUIET), status=2
    )
    assert told.splitlines()[-1].startswith("hydra/launcher=ray can't use 127.0.0.1:9")
    assert "Traceback" not in told
    assert "Warning" not in told
    assert not runs(tmp_path / "ray")


def _lives(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True
