"""Sweeps beside which something fails: a variant, another sweep, the tracking server."""

import os
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from helpers import SMALL, environment
from mlflow import MlflowClient
from processes import TRAIN, until
from processes import start as start_process
from tracking_server import TrackingServer

TINY = ["--multirun", "pooling=max", "model.depth=8", *SMALL]
NOWHERE = "http://127.0.0.1:9"


def start(folder, uri, *words):
    """Start a sweep that another may run beside."""
    return start_process(folder, *TRAIN, *words, env=environment(folder, uri))


def runs(uri, kind="run"):
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("adhoc")
    if experiment is None:
        return []
    return client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")


def test_a_variant_that_diverges_fails_alone(tmp_path, uri):
    rates = "optimizer.lr=0.02,0.05,0.1,1e6"
    words = [*TINY, "seed=0", rates, "scheduler.max_lr=${optimizer.lr}", "trainer.max_epochs=8"]
    process = start(tmp_path, uri, *words)
    printed, told = process.communicate(timeout=400)
    assert process.returncode == 1, told
    found = runs(uri)
    assert Counter(r.info.status for r in found) == {"FINISHED": 3, "FAILED": 1}, told
    (failed,) = (r for r in found if r.info.status == "FAILED")
    assert "it diverged" in failed.data.tags["reason"]
    at_once, at_the_end = (line for line in told.splitlines() if line.startswith("failed: "))
    assert at_once == at_the_end
    assert "it diverged" in at_once
    log = Path(at_once.rpartition("[")[2].rstrip("]"))
    assert "FloatingPointError" in log.read_text(encoding="utf-8")
    assert "0 of 1" in printed  # the table has a hole, not a row less


@pytest.mark.faults
@pytest.mark.every_part
def test_two_sweeps_that_start_at_once_share_the_work(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"  # which both make
    words = [*TINY, "aux=none,heads", "hydra.sweeper.seeds=2"]
    both = [start(tmp_path, uri, *words) for _ in range(2)]
    for process in both:
        printed, told = process.communicate(timeout=600)
        assert process.returncode == 0, told
        assert "missing" not in printed
    found = runs(uri)
    assert [r.info.status for r in found] == ["FINISHED"] * 4
    assert len({r.data.tags["key"] for r in found}) == 4
    assert [r.info.status for r in runs(uri, "sweep")] == ["FINISHED"] * 2


def test_a_server_that_is_not_there_is_told_before_anything_is_trained(tmp_path):
    for words in (TINY, TINY[1:]):
        began = time.monotonic()
        process = start(tmp_path, NOWHERE, *words)
        _, told = process.communicate(timeout=60)
        assert process.returncode == 2
        assert told.splitlines()[-1].startswith(f"MLFLOW_TRACKING_URI={NOWHERE} does not answer")
        assert "Traceback" not in told
        assert time.monotonic() - began < 30


@pytest.mark.parametrize("uri", ["127.0.0.1:5000", "htp://foo", "here/mlruns", "file:///here"])
def test_what_is_no_store_is_told(tmp_path, uri):
    for call in ([*TRAIN, *TINY], [sys.executable, "-m", "cnn_anatomy.report", "tables", "skip"]):
        process = subprocess.run(
            call, env=environment(tmp_path, uri), capture_output=True, text=True, timeout=60
        )
        assert process.returncode == 2
        told = process.stderr.splitlines()[-1]
        assert told.startswith(f"MLFLOW_TRACKING_URI={uri} is no store: give http://HOST:PORT")
        assert ("did you mean http://127.0.0.1:5000?" in told) == (uri == "127.0.0.1:5000")


@pytest.mark.faults
def test_a_sweep_that_is_stopped_while_its_server_is_lost_ends_and_loses_nothing(tmp_path):
    server = TrackingServer(tmp_path)
    words = [*TINY, "seed=0,1,2", "trainer.max_epochs=800"]  # longer than the server is lost
    server.start()
    try:
        sweep = start(tmp_path, server.uri, *words)
        until(lambda: any("train/loss" in r.data.metrics for r in runs(server.uri)), "epoch")
        server.kill()
        time.sleep(5)
        os.killpg(sweep.pid, signal.SIGINT)
        began = time.monotonic()
        _, told = sweep.communicate(timeout=100)
        print(f"\nstopped without a server: over after {time.monotonic() - began:.0f} s")
        assert sweep.returncode == 130, told
        assert "does not answer: what was not logged waits in the cache" in told
        assert "the same command goes on" in told
        server.start()
        again = start(tmp_path, server.uri, *words)
        _, told = again.communicate(timeout=600)
        assert again.returncode == 0, told
        found = runs(server.uri)
        assert [r.info.status for r in found] == ["FINISHED"] * 3
        assert [r.data.tags["resumed"] for r in found if "resumed" in r.data.tags]
    finally:
        server.kill()


@pytest.mark.faults
def test_a_sweep_outlives_its_server(tmp_path):
    server = TrackingServer(tmp_path)
    uri = server.uri
    server.start()
    try:
        sweep = start(tmp_path, uri, *TINY, "seed=0,1,2", "trainer.max_epochs=40")
        until(lambda: any("train/loss" in r.data.metrics for r in runs(uri)), "epoch")
        server.kill()  # while two runs train
        time.sleep(15)
        server.start()
        _, told = sweep.communicate(timeout=600)
        assert sweep.returncode == 0, told
        assert f"{uri} does not answer: what was not logged waits in the cache" in told
        assert f"{uri} answers again" in told
        assert "sweep: 3 of 3 done" in told
        found = runs(uri)
        assert [r.info.status for r in found] == ["FINISHED"] * 3
        client = MlflowClient(uri)
        for run in found:
            for name in ("train/loss", "val/accuracy"):
                history = client.get_metric_history(run.info.run_id, name)
                steps = [m.step for m in history]
                assert sorted(steps) == list(range(1, 41)), (name, steps)
            files = {f.path for f in client.list_artifacts(run.info.run_id)}
            assert files >= {"config.yaml", "gradients.parquet", "gradients.png"}
    finally:
        server.kill()
