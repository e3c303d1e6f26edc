"""Worker processes on this machine."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from functools import partial
from typing import Any

from hydra.types import TaskFunction
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher
from omegaconf import DictConfig

from cnn_anatomy.errors import ConfigError
from cnn_anatomy.hardware import visible_gpus


class LocalLauncher(JoblibLauncher):
    """Hydra's launcher on joblib, whose workers share the GPUs evenly.

    Args:
        n_jobs: how many runs at once, -1 one for each core; None: `runs_per_gpu` for each GPU, or
            one for each core where there is none.
        runs_per_gpu: how many runs share a GPU.
        joblib: further arguments of `joblib.Parallel`.

    Raises:
        ConfigError: if one of them is no such number.
    """

    def __init__(self, *, n_jobs: int | None = None, runs_per_gpu: int = 1, **joblib: Any) -> None:
        _require_count("runs_per_gpu", "RUNS_PER_GPU", runs_per_gpu)
        self.gpus = visible_gpus()
        if n_jobs is None:
            n_jobs = len(self.gpus) * runs_per_gpu or -1
        elif n_jobs != -1:
            _require_count("n_jobs", "WORKERS", n_jobs)
        super().__init__(n_jobs=n_jobs, **joblib)

    @property
    def workers(self) -> int:
        """Return how many runs are trained at once."""
        count = int(self.joblib["n_jobs"])
        return count if count > 0 else (os.cpu_count() or 1)

    def setup(self, *, task_function: TaskFunction, **parts: Any) -> None:
        """Keep what is launched (Hydra's hook), to be called where its GPU is set."""
        task = partial(on_own_gpu, task_function, self.gpus) if self.gpus else task_function
        super().setup(task_function=task, **parts)


def on_own_gpu(task: TaskFunction, gpus: Sequence[str], config: DictConfig) -> Any:
    """Call `task` where only one of `gpus` is seen, by the number that joblib gave this worker."""
    number = multiprocessing.current_process().name.rpartition("-")[2]
    if number.isdigit():  # no worker, where there is but one
        os.environ["CUDA_VISIBLE_DEVICES"] = gpus[int(number) % len(gpus)]
    return task(config)


def _require_count(key: str, variable: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(
            f"hydra.launcher.{key}={value} (or {variable}) is no whole number from 1 up"
        )
