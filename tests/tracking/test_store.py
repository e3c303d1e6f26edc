"""The store under several processes at once, and runs whose process is gone."""

import multiprocessing
import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import SMALL
from mlflow import MlflowClient
from processes import TRAIN, ended, start, until
from writers import BATCHES, make, write

from cnn_anatomy.tracking.orphans import close_orphans, process_is_gone
from cnn_anatomy.tracking.provenance import process_tags
from cnn_anatomy.tracking.run import tracked
from cnn_anatomy.tracking.store import prepare

WRITERS = 8


def test_the_status_says_how_a_run_ended(uri):
    experiment = prepare(uri, "s")
    client = MlflowClient(uri)
    endings = {"FINISHED": None, "FAILED": RuntimeError("odd"), "KILLED": KeyboardInterrupt()}
    for status, error in endings.items():
        try:
            with tracked(uri, experiment, name=status, tags={}, params={}):
                if error is not None:
                    raise error
        except (RuntimeError, KeyboardInterrupt):
            pass
    runs = {r.info.run_name: r for r in client.search_runs([experiment])}
    assert {name: run.info.status for name, run in runs.items()} == {k: k for k in endings}
    assert runs["FAILED"].data.tags["reason"] == "RuntimeError: odd"


def test_a_run_whose_process_was_killed_is_closed_and_a_living_one_is_not(uri):
    experiment = prepare(uri, "s")
    code = (
        "import time; from cnn_anatomy.tracking.run import tracked\n"
        f"with tracked({uri!r}, {experiment!r}, name='dead', tags={{}}, params={{}}):\n"
        "    print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        process.kill()
    client = MlflowClient(uri)
    with tracked(uri, experiment, name="alive", tags={}, params={}):
        assert [r.info.run_name for r in close_orphans(client, experiment)] == ["dead"]
        assert close_orphans(client, experiment) == []
    found = {r.info.run_name: r.info.status for r in client.search_runs([experiment])}
    assert found == {"dead": "KILLED", "alive": "FINISHED"}


def test_only_a_process_of_this_host_can_be_known_to_be_gone():
    me = process_tags()
    assert not process_is_gone(me)
    assert process_is_gone({**me, "process.started": "0"})  # its pid belongs to another now
    assert process_is_gone({**me, "pid": "4194303"})
    assert not process_is_gone({**me, "host": "elsewhere", "pid": "4194303"})
    assert not process_is_gone({})


def test_a_run_of_another_host_goes_on_where_its_checkpoints_show_that_it_is_gone(uri, tmp_path):
    experiment = prepare(uri, "s")
    client = MlflowClient(uri)
    tags = {"key": "k", "kind": "run"}
    elsewhere = {**tags, **process_tags(), "host": "elsewhere"}
    there = client.create_run(experiment, tags=elsewhere).info.run_id
    journals = tmp_path / "cache" / "journal"
    settings = {"name": "x", "tags": tags, "params": {}, "journals": journals}
    with tracked(uri, experiment, **settings) as logger:
        assert logger.run_id != there  # for all that is known, it trains in a cache of its own
    client.delete_run(logger.run_id)
    (journals.parent / "checkpoints" / there).mkdir(parents=True)
    with tracked(uri, experiment, **settings) as logger:
        assert logger.run_id == there
    assert client.get_run(there).data.tags["resumed"] == "1"


def test_a_run_records_its_sweep_and_its_log(uri):
    experiment = prepare(uri, "s")
    settings = {"name": "x", "tags": {"kind": "run"}, "params": {}}
    with tracked(uri, experiment, **settings, parent="p", log="/logs/1.out") as logger:
        tags = MlflowClient(uri).get_run(logger.run_id).data.tags
    assert tags["mlflow.parentRunId"] == "p"
    assert tags["log"] == "/logs/1.out"
    with tracked(uri, experiment, **settings) as logger:
        assert not MlflowClient(uri).get_run(logger.run_id).data.tags.keys() & {"log"}


def test_a_sweep_whose_launcher_has_ended_closes_its_runs_of_other_hosts(uri):
    experiment = prepare(uri, "s")
    client = MlflowClient(uri)
    away = {**process_tags(), "host": "elsewhere"}
    ours = client.create_run(experiment, tags={**away, "mlflow.parentRunId": "p"})
    own = client.create_run(experiment, tags={**process_tags(), "mlflow.parentRunId": "p"})
    client.create_run(experiment, tags={**away, "mlflow.parentRunId": "q"})
    client.create_run(experiment, tags={**process_tags(), "kind": "sweep"})
    assert close_orphans(client, experiment) == []
    closed = {r.info.run_id for r in close_orphans(client, experiment, sweep="p")}
    assert closed == {ours.info.run_id, own.info.run_id}


def test_processes_that_start_at_once_share_one_store(tmp_path):
    uri = f"sqlite:///{tmp_path}/mlflow.db"
    with multiprocessing.get_context("spawn").Pool(4) as pool:
        assert len(set(pool.map(make, [uri] * 4))) == 1


@pytest.mark.slow
def test_eight_writers_lose_nothing(uri):
    experiment = prepare(uri, "s")
    tasks = [(uri, experiment, writer) for writer in range(WRITERS)]
    with multiprocessing.get_context("spawn").Pool(WRITERS) as pool:
        runs = pool.map(write, tasks)
    client = MlflowClient(uri)
    for run in runs:
        for name, sign in (("a", 1), ("b", -1)):
            history = client.get_metric_history(run, name)
            assert sorted(m.step for m in history) == list(range(BATCHES))
            assert all(m.value == sign * m.step for m in history)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_a_stopped_sweep_leaves_no_run_running_and_goes_on(tmp_path, uri, number):
    words = ["--multirun", "pooling=max", "model.depth=8", "seed=0", *SMALL]
    process = start(tmp_path, *TRAIN, *words, "trainer.max_epochs=2000")
    client = MlflowClient(uri)
    until(lambda: _statuses(client, "run") == ["RUNNING"], "run", process=process)
    time.sleep(2)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)  # as a terminal does
    else:
        process.send_signal(number)
    _, told = ended(process, 128 + number, timeout=180)
    assert "the same command goes on" in told
    assert _statuses(client, "run") == ["KILLED"]
    assert _statuses(client, "sweep") == ["KILLED"]


def _statuses(client, kind):
    experiment = client.get_experiment_by_name("adhoc")
    if experiment is None:
        return []
    runs = client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")
    return [r.info.status for r in runs]
