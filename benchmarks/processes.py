"""What is measured from outside: start-up, memory, a sweep against a loop of processes."""

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
    """Return the seconds from a run's command to its first step, and for the imports alone."""
    started_at = time.time()
    words = [f"data.source.train={CASES[0].images}", "trainer.max_epochs=1", "model.depth=8"]
    call([*TRAIN, *words], folder)
    (run,) = runs_of(folder, "adhoc")
    history = MlflowClient(store_of(folder)).get_metric_history(run.info.run_id, "gradient/first")
    first = min(m.timestamp for m in history) / 1000 - started_at
    return first, seconds([sys.executable, "-c", "import cnn_anatomy.training.run"], folder)


def memory(folder: Path) -> tuple[float, float]:
    """Return the peak memory of `limit` and of `ours` on the first case, in MiB."""
    peaks = []
    for way in ("limit", "ours"):
        command = [sys.executable, "-m", "benchmarks.alone", way, CASES[0].name]
        peaks.append(float(call(command, folder).splitlines()[-1]))
    return peaks[0], peaks[1]


@contextmanager
def new_folder() -> Iterator[Path]:
    """Yield a temporary folder with an empty store.

    MLflow takes seconds to create a store's schema, once in its life, so that is not timed.
    """
    with tempfile.TemporaryDirectory() as folder:
        shutil.copyfile(_empty_store(), Path(folder) / "mlflow.db")
        yield Path(folder)


@cache
def _empty_store() -> Path:
    folder = Path(tempfile.mkdtemp())
    atexit.register(shutil.rmtree, folder)
    MlflowClient(store_of(folder)).search_experiments()
    return folder / "mlflow.db"


def sweep(folder: Path, seeds: int, sample: int, images: int) -> dict[str, float]:
    """Time the eight variants of the study `skip`, trained on `images` images.

    Return `runs` and `cores`, and in seconds: `sweep`; `again`, the same sweep when all is done;
    `loop`, a process for each run, extrapolated from `sample` evenly spaced runs; and `pure`, the
    training steps alone.
    """
    runs = load_study("skip").runs(range(seeds))
    size = f"data.source.train={images}"
    words = [*TRAIN, "--multirun", "study=skip", f"hydra.sweeper.seeds={seeds}", size]
    first = seconds(words, folder)
    again = seconds(words, folder)
    trained = [run.data for run in runs_of(folder, "skip")]
    epochs = sum(
        int(run.params["trainer.max_epochs"]) / run.metrics["speed/images_per_second"]
        for run in trained
    )
    with new_folder() as separate:
        loop = [
            seconds([*TRAIN, *run.overrides, size, f"seed={run.seed}"], separate)
            for run in runs[:: len(runs) // sample][:sample]
        ]
    return {
        "runs": len(trained),
        "cores": os.cpu_count() or 1,
        "sweep": first,
        "again": again,
        "loop": sum(loop) / len(loop) * len(runs),
        "pure": epochs * images,
    }


def seconds(command: Sequence[str], folder: Path) -> float:
    """Run a command as `call` does; return the seconds that it took."""
    started_at = time.time()
    call(command, folder)
    return time.time() - started_at


def call(command: Sequence[str], folder: Path) -> str:
    """Run a command with its store and cache in `folder`; return its standard output.

    Raises:
        RuntimeError: if it fails, with its standard error.
    """
    environment = {
        **os.environ,
        "MLFLOW_TRACKING_URI": store_of(folder),
        "CNN_ANATOMY_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    process = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if process.returncode:
        status, errors = process.returncode, process.stderr
        raise RuntimeError(f"{' '.join(command)} ended with status {status}:\n{errors}")
    return process.stdout


def runs_of(folder: Path, study: str) -> list[Run]:
    """Return the training runs of a study in the folder's store."""
    client = MlflowClient(store_of(folder))
    experiment = client.get_experiment_by_name(study)
    return list(training_runs(client, experiment.experiment_id)) if experiment else []


def store_of(folder: Path) -> str:
    """Return the URI of the folder's store."""
    return f"sqlite:///{folder}/mlflow.db"
