"""The fault drill: a sweep that is killed at random moments ends in the table of one that is not.

`FAULTS` is how many kills (20), `FAULT_SEEDS` how many seeds of each of the four variants (3).
"""

import os
import random
import signal
import subprocess
import time
from collections import Counter

import psutil
import pytest
from helpers import SMALL
from mlflow import MlflowClient
from processes import TRAIN
from processes import start as start_process

from cnn_anatomy.report.render import to_csv
from cnn_anatomy.report.table import build_study_table
from cnn_anatomy.results.runs import read_sweep
from cnn_anatomy.studies.study import Study, Table
from cnn_anatomy.tracking.store import prepare

KILLS = int(os.environ.get("FAULTS", "20"))
SEEDS = int(os.environ.get("FAULT_SEEDS", "3"))
STUDY = Study(
    name="adhoc",
    question="",
    reading="",
    table=Table(
        rows=("pooling", "aux"),
        metrics=("test/accuracy", "gap/accuracy", "gradient/decay", "macs"),
    ),
    grid={"pooling": ("max", "stochastic"), "aux": ("none", "heads")},
)
EPOCHS = 20 * KILLS  # so that the sweep is not over before all kills
WORDS = (
    *("--multirun", "pooling=max,stochastic", "aux=none,heads", "model.depth=8", *SMALL),
    *("trainer.precision=32-true", f"trainer.max_epochs={EPOCHS}", f"hydra.sweeper.seeds={SEEDS}"),
)


def start(folder):
    """Start the sweep in `folder` as the leader of a process group."""
    return start_process(folder, *TRAIN, *WORDS, log=folder / "sweep.log")


def store(folder):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    return client, client.get_experiment_by_name("adhoc").experiment_id


def table(folder):
    """Return the CSV table of the last sweep in `folder`."""
    client, experiment = store(folder)
    (parent,) = client.search_runs([experiment], "tags.kind = 'sweep'", max_results=1)
    sweep = read_sweep(client, "adhoc", parent.info.run_id)
    return to_csv(build_study_table(STUDY, sweep))


def start_of_training(folder, begun):
    """Return how many seconds after `begun` the first run in `folder` was opened."""
    client, experiment = store(folder)
    runs = client.search_runs([experiment], "tags.kind = 'run'")
    return min(r.info.start_time for r in runs) / 1000 - begun


def is_worker(process):
    """Return whether `process` is a worker that lives: one killed before may still be listed."""
    try:
        return "loky" in " ".join(process.cmdline())
    except psutil.NoSuchProcess:  # a zombie, too
        return False


def kill(process, rng):
    """Kill a worker or the whole group; return which."""
    children = psutil.Process(process.pid).children(recursive=True)
    workers = [child for child in children if is_worker(child)]
    if workers and rng.random() < 0.5:
        rng.choice(workers).kill()
        return "worker"
    os.killpg(process.pid, signal.SIGKILL)
    return "sweep"


@pytest.mark.faults
def test_a_sweep_that_is_killed_ends_as_one_that_is_not(tmp_path):
    rng = random.Random(0)
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
        prepare(f"sqlite:///{folder}/mlflow.db", "adhoc")
    begun = time.time()
    assert start(whole).wait() == 0, (whole / "sweep.log").read_text()
    seconds = time.time() - begun
    early = start_of_training(whole, begun)
    kills = Counter()
    sweeps = 0
    while kills.total() < KILLS:
        process = start(broken)
        sweeps += 1
        # Now and then before the first run has begun, mostly while two are under way.
        while kills.total() < KILLS:
            try:
                process.wait(timeout=rng.uniform(early / 2, 2 * early))
                break
            except subprocess.TimeoutExpired:
                kills[kill(process, rng)] += 1
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert kills.total() == KILLS or process.returncode, "done before all the kills"
    process = start(broken)
    assert process.wait() == 0, (broken / "sweep.log").read_text()
    assert table(broken) == table(whole)
    client, experiment = store(broken)
    runs = client.search_runs([experiment])
    assert not [r for r in runs if r.info.status == "RUNNING"]
    finished = Counter(
        r.data.tags["key"]
        for r in runs
        if r.data.tags["kind"] == "run" and r.info.status == "FINISHED"
    )
    assert len(finished) == 4 * SEEDS
    assert set(finished.values()) == {1}
    resumed = sum(int(r.data.tags.get("resumed", 0)) for r in runs)
    assert resumed
    print(
        f"\n{4 * SEEDS} runs, {kills.total()} kills ({dict(kills)}) in {sweeps} sweeps of which an "
        f"undisturbed one takes {seconds:.0f} s; {resumed} times a run was resumed: same table, "
        "no run twice, none RUNNING"
    )
