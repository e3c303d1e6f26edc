"""What is timed from outside: starting, memory, sweeps against a loop of the shell."""

from __future__ import annotations

import atexit
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Run

from benchmarks.cases import CASES
from cnn_anatomy.studies.study import load_study
from cnn_anatomy.tracking.run_cache import training_runs

TRAIN = (sys.executable, "-m", "cnn_anatomy.train")


def start(folder: Path) -> tuple[float, float]:
    """Return seconds from a run's command to its first step, and those of the imports alone."""
    began = time.time()
    words = [f"data.source.train={CASES[0].images}", "trainer.max_epochs=1", "model.depth=8"]
    call([*TRAIN, *words], folder)
    (run,) = runs_of(folder, "adhoc")
    history = MlflowClient(store_of(folder)).get_metric_history(run.info.run_id, "gradient/first")
    first = min(m.timestamp for m in history) / 1000 - began
    return first, seconds([sys.executable, "-c", "import cnn_anatomy.training.run"], folder)


def memory(folder: Path) -> tuple[float, float]:
    """Return the peak memory of the limit and of ours on the first case, in MiB."""
    peaks = []
    for way in ("limit", "ours"):
        alone = [sys.executable, "-m", "benchmarks.alone", way, CASES[0].name]
        peaks.append(float(call(alone, folder).splitlines()[-1]))
    return peaks[0], peaks[1]


@contextmanager
def place() -> Iterator[Path]:
    """Yield an empty folder but for a store without runs: to make its schema takes MLflow seconds.

    That is paid once in a store's life.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(_store(), Path(folder) / "mlflow.db")
        yield Path(folder)


@cache
def _store() -> Path:
    made = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, made)
    MlflowClient(store_of(made)).search_experiments()
    return made / "mlflow.db"


def sweep(folder: Path, seeds: int, sample: int, images: int) -> dict[str, float]:
    """Time the eight variants of the study `skip` as a sweep, again, and as a loop over processes.

    Seconds, but for `runs` and `cores`. `pure` is the time of the training steps alone. The loop is
    timed for `sample` runs, evenly spread over all, and multiplied. `images` are trained on.
    """
    runs = load_study("skip").runs(range(seeds))
    size = f"data.source.train={images}"
    words = [*TRAIN, "--multirun", "study=skip", f"hydra.sweeper.seeds={seeds}", size]
    once = seconds(words, folder)
    again = seconds(words, folder)
    found = [run.data for run in runs_of(folder, "skip")]
    epochs = sum(
        int(run.params["trainer.max_epochs"]) / run.metrics["speed/images_per_second"]
        for run in found
    )
    with place() as alone:
        loop = [
            seconds([*TRAIN, *run.overrides, size, f"seed={run.seed}"], alone)
            for run in runs[:: len(runs) // sample][:sample]
        ]
    return {
        "runs": len(found),
        "cores": os.cpu_count() or 1,
        "sweep": once,
        "again": again,
        "loop": sum(loop) / len(loop) * len(runs),
        "pure": epochs * images,
    }


def seconds(command: Sequence[str], folder: Path) -> float:
    """Run a command as `call` does; return how long it took."""
    began = time.time()
    call(command, folder)
    return time.time() - began


def call(command: Sequence[str], folder: Path) -> str:
    """Run a command whose store and cache lie in `folder`; return what it prints.

    Raises:
        RuntimeError: if it fails, with what it says.
    """
    own = {
        **os.environ,
        "MLFLOW_TRACKING_URI": store_of(folder),
        "CNN_ANATOMY_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(command, cwd=folder, env=own, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}:\n{done.stderr}")
    return done.stdout


def runs_of(folder: Path, study: str) -> list[Run]:
    """Return the training runs of a study in the folder's store."""
    client = MlflowClient(store_of(folder))
    experiment = client.get_experiment_by_name(study)
    return list(training_runs(client, experiment.experiment_id)) if experiment else []


def store_of(folder: Path) -> str:
    """Return the URI of the folder's store."""
    return f"sqlite:///{folder}/mlflow.db"
