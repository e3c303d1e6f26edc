"""Worker processes on this machine."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from hydra.types import TaskFunction
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher
from omegaconf import DictConfig

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.hardware import visible_gpus

CLAIMED: dict[Path, tuple[int, FileLock]] = {}  # by this process, until it ends


class LocalLauncher(JoblibLauncher):
    """Hydra's launcher on joblib, whose workers share the GPUs evenly.

    Args:
        n_jobs: how many runs at once, -1 one for each core; None: `runs_per_gpu` for each GPU, or
            one for each core where there is none. With fewer than there are GPUs, some or all see
            several.
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
        from joblib import effective_n_jobs

        return effective_n_jobs(self.joblib["n_jobs"])

    def setup(self, *, task_function: TaskFunction, **parts: Any) -> None:
        """Keep what is launched (Hydra's hook), to be called where its GPUs are set."""
        task = task_function
        if self.gpus:
            self.claims = tempfile.TemporaryDirectory()  # deleted with the launcher
            shares = evenly(self.gpus, self.workers)
            task = partial(on_own_gpus, task_function, shares, Path(self.claims.name))
        super().setup(task_function=task, **parts)


def evenly(gpus: Sequence[str], workers: int) -> list[list[str]]:
    """Return which of `gpus` each of `workers` sees: some alone, or one with others.

    >>> evenly("ab", 4), evenly("abc", 2)
    ([['a'], ['b'], ['a'], ['b']], [['a', 'c'], ['b']])
    """
    most = max(workers, len(gpus))
    return [
        [gpus[place % len(gpus)] for place in range(worker, most, workers)]
        for worker in range(workers)
    ]


def on_own_gpus(
    task: TaskFunction, shares: Sequence[Sequence[str]], claims: Path, config: DictConfig
) -> Any:
    """Call `task` where only one of `shares` is seen, always the same in a process.

    Raises:
        ConfigError: if the run asks for more GPUs than that.
    """
    share = shares[_claimed(claims, len(shares))]
    devices, least = config.trainer.devices, min(map(len, shares))
    if isinstance(devices, int) and devices > least and config.trainer.accelerator != "cpu":
        count = len({gpu for each in shares for gpu in each})
        raise ConfigError(
            f"trainer.devices={devices} is more than the {least} of {count} GPUs that a run of "
            f"this sweep sees: choose WORKERS={max(1, count // devices)}, or fewer devices"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(share)
    return task(config)


def _claimed(folder: Path, count: int) -> int:
    """Return a number below `count` that no other living process has claimed in `folder`."""
    while folder not in CLAIMED:
        for number in range(count):
            lock = FileLock(folder / f"{number}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            CLAIMED[folder] = number, lock
            break
        else:
            time.sleep(0.1)  # until the one that this process stands in for has ended
    return CLAIMED[folder][0]


def _require_count(key: str, variable: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(
            f"hydra.launcher.{key}={value} (or {variable}) is no whole number from 1 up"
        )
