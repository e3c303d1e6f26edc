"""Finished runs are read from the cache, all others from the store."""

import os
import subprocess
import sys

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Metric

from cnn_anatomy.tracking import run_cache as module
from cnn_anatomy.tracking.run_cache import read_runs
from cnn_anatomy.tracking.store import prepare


@pytest.fixture
def store(uri, tmp_path, monkeypatch):
    """Return a client, an experiment and a function that makes a run."""
    monkeypatch.setenv("CNN_ANATOMY_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(module, "CLOCK_SKEW_MS", -3_600_000)  # as if all had ended long ago
    experiment, client = prepare(uri, "s"), MlflowClient(uri)

    def make(key, status="FINISHED", end=None):
        run = client.create_run(experiment, tags={"kind": "run", "key": key}).info.run_id
        client.log_batch(run, [Metric("a", 1.0, 0, 0), Metric("a", 2.0, 0, 5)])
        if status != "RUNNING":
            client.set_terminated(run, status, end_time=end)
        return run

    return client, experiment, make


def statuses(frame):
    return dict(zip(frame["tags.key"], frame.status, strict=True))


def test_finished_runs_are_read_once_and_others_again(store, monkeypatch):
    client, experiment, make = store
    make("done")
    going, failed = make("going", "RUNNING"), make("failed", "FAILED")
    first = read_runs(client, experiment)
    assert statuses(first) == {"done": "FINISHED", "going": "RUNNING", "failed": "FAILED"}
    assert first.set_index("tags.key").loc["done", "metrics.a"] == 2.0  # the latest

    client.set_terminated(going, end_time=1000)  # told late that it had ended long ago
    client.delete_run(failed)
    asked = []
    original = MlflowClient.search_runs

    def spy(self, *arguments, **settings):
        found = original(self, *arguments, **settings)
        asked.extend(run.data.tags["key"] for run in found)
        return found

    monkeypatch.setattr(MlflowClient, "search_runs", spy)
    second = read_runs(client, experiment)
    assert statuses(second) == {"done": "FINISHED", "going": "FINISHED"}
    assert second["metrics.a"].tolist() == [2.0, 2.0]
    assert asked == ["failed"]  # among the deleted


def test_a_new_run_is_found_though_another_ended_later(store, monkeypatch):
    client, experiment, make = store
    make("first")
    assert len(read_runs(client, experiment)) == 1
    monkeypatch.setattr(module, "CLOCK_SKEW_MS", 300_000)
    make("second")
    frame = read_runs(client, experiment)
    assert frame["tags.key"].tolist() == ["second", "first"]  # the latest first
    client.restore_run(frame.run_id[0])
    client.delete_run(frame.run_id[0])
    assert read_runs(client, experiment)["tags.key"].tolist() == ["first"]
    client.restore_run(frame.run_id[0])
    assert read_runs(client, experiment)["tags.key"].tolist() == ["second", "first"]


def test_a_purged_run_is_gone_and_a_restored_one_is_back(store, uri, monkeypatch):
    client, experiment, make = store
    early, late, purged, last = (make(key) for key in ("early", "late", "purged", "last"))
    client.delete_run(early)  # before it was ever read
    read_runs(client, experiment)
    client.delete_run(purged)
    assert set(statuses(read_runs(client, experiment))) == {"late", "last"}
    command = [sys.executable, "-m", "mlflow", "gc", "--backend-store-uri", uri]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    subprocess.run([*command, "--run-ids", purged], check=True, capture_output=True)
    client.restore_run(early)
    assert set(statuses(read_runs(client, experiment))) == {"late", "early", "last"}
    client.delete_run(late)
    client.delete_run(early)
    assert set(statuses(read_runs(client, experiment))) == {"last"}
    subprocess.run([*command, "--run-ids", f"{early},{late}"], check=True, capture_output=True)
    assert set(statuses(read_runs(client, experiment))) == {"last"}
    client.delete_run(last)  # and nobody looks before it is purged
    subprocess.run([*command, "--run-ids", last], check=True, capture_output=True)
    assert read_runs(client, experiment).empty


def test_a_file_that_another_replaces_meanwhile_hides_no_run(store, monkeypatch):
    client, experiment, make = store
    monkeypatch.setattr(module, "CLOCK_SKEW_MS", 0)
    make("first", end=1000)
    read_runs(client, experiment)
    make("second", end=5000)
    make("going", "RUNNING")
    (file,) = (module.cache() / "runs").glob("*.parquet")
    os.utime(file, (2, 2))
    original = pd.read_parquet

    def overtaken(path):
        found = original(path)
        os.utime(path, (9, 9))  # what another process has just written is newer
        return found

    monkeypatch.setattr(module.pd, "read_parquet", overtaken)
    read_runs(client, experiment)
    monkeypatch.setattr(module.pd, "read_parquet", original)
    assert set(statuses(read_runs(client, experiment))) == {"first", "second", "going"}
