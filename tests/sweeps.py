"""Sweeps of tiny runs by the real command, and their runs in the store."""

import processes
from helpers import SMALL, environment
from mlflow import MlflowClient

from cnn_anatomy.tracking.store import prepare

TINY = ("model.depth=8", *SMALL, "trainer.precision=32-true")
SWEEP = ("pooling=max,stochastic", *TINY, "trainer.max_epochs=2", "hydra.sweeper.seeds=2")
LONG = ("pooling=stochastic", "seed=0", *TINY, "trainer.max_epochs=150")  # half a minute


def start(folder, launcher, *words, **more):
    """Start a sweep in `folder`, which is created; `more` is added to its environment."""
    folder.mkdir(exist_ok=True)
    # Before the sweep does: two processes that create the schema at once fail.
    prepare(f"sqlite:///{folder}/mlflow.db", "adhoc")
    call = (*processes.TRAIN, "--multirun", f"hydra/launcher={launcher}", *words)
    return processes.start(folder, *call, env=environment(folder, **more))


def runs(folder, kind="run"):
    """Return the runs of the store in `folder`."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("adhoc")
    return client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")


def half_way(folder, epochs=20):
    """Return the runs in `folder` that are training and have finished `epochs` epochs."""
    return [
        r
        for r in runs(folder)
        if r.info.status == "RUNNING" and r.data.metrics.get("epoch", 0) >= epochs
    ]


def results(folder):
    """Return (key, metric, step) → exact value for all finished runs, without speeds."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    return {
        (run.data.tags["key"], name, m.step): m.value
        for run in runs(folder)
        if run.info.status == "FINISHED"
        for name in run.data.metrics
        if not name.startswith("speed/")
        for m in client.get_metric_history(run.info.run_id, name)
    }


def rows(printed):
    """Return the lines of a printed table that hold numbers."""
    return [line for line in printed.splitlines() if "±" in line or "%" in line]
