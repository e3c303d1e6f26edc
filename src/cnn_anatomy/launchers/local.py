"""Worker processes on this machine."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal
from weakref import finalize

from filelock import FileLock, Timeout
from hydra.types import TaskFunction
from hydra_plugins.hydra_joblib_launcher.joblib_launcher import JoblibLauncher
from omegaconf import DictConfig

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.hardware import gpu_memories, visible_gpus
from cnn_anatomy.launchers.mps import MultiProcessService

POLL_SECONDS = 0.1
RUN_MEBIBYTES = 4096  # of a GPU's memory: CUDA's context and a run of the studies' size, with room
MOST_RUNS_PER_GPU = 8  # more gained nothing for networks of this size on an H200
# Folder → (share, its lock) of this process, which holds the lock until it ends.
CLAIMS: dict[Path, tuple[int, FileLock]] = {}


class LocalLauncher(JoblibLauncher):
    """Hydra's joblib launcher, with the GPUs shared evenly among the workers.

    Args:
        n_jobs: number of workers, -1 for one per core. None means `runs_per_gpu` per GPU, or one
            per core where there is no GPU. With fewer workers than GPUs, some see several GPUs.
        runs_per_gpu: number of runs that share a GPU, at the same moment where CUDA's Multi-Process
            Service can be had. "auto" is one per core, as far as the memory allows, up to eight.
        joblib: further arguments of `joblib.Parallel`.

    Raises:
        ConfigError: if `n_jobs` or `runs_per_gpu` is out of range.
    """

    def __init__(
        self,
        *,
        n_jobs: int | None = None,
        runs_per_gpu: int | Literal["auto"] = "auto",
        **joblib: Any,
    ) -> None:
        self.gpus = visible_gpus()
        if runs_per_gpu == "auto":
            runs_per_gpu = _affordable_runs(len(self.gpus))
        _require_count("runs_per_gpu", "RUNS_PER_GPU", runs_per_gpu)
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
        """Keep the task, to be called with the worker's GPUs alone (Hydra's hook)."""
        task = task_function
        if self.gpus:
            self.claims = tempfile.TemporaryDirectory()  # deleted with the launcher
            shares = share_gpus(self.gpus, self.workers)
            task = partial(call_with_gpu_share, task_function, shares, Path(self.claims.name))
            if self.workers > len(self.gpus):
                service = MultiProcessService()
                finalize(self, _end_workers_and, service.stop)  # at the latest when Python ends
                service.start()
        super().setup(task_function=task, **parts)


def _affordable_runs(gpus: int) -> int:
    """Return how many runs share each of `gpus` GPUs."""
    memories = gpu_memories()
    if not gpus or not memories:
        return 1
    cores = (os.cpu_count() or 1) // gpus
    return max(1, min(cores, int(min(memories)) // RUN_MEBIBYTES, MOST_RUNS_PER_GPU))


def _end_workers_and(stop: Callable[[], None]) -> None:
    """End the idle workers, then what they are clients of."""
    from joblib.externals.loky import get_reusable_executor

    get_reusable_executor().shutdown(wait=True, kill_workers=True)
    stop()


def share_gpus(gpus: Sequence[str], workers: int) -> list[list[str]]:
    """Return the GPUs of each worker: one that it may share, or several of its own.

    >>> share_gpus("ab", 4), share_gpus("abc", 2)
    ([['a'], ['b'], ['a'], ['b']], [['a', 'c'], ['b']])
    """
    places = max(workers, len(gpus))
    return [
        [gpus[place % len(gpus)] for place in range(worker, places, workers)]
        for worker in range(workers)
    ]


def call_with_gpu_share(
    task: TaskFunction, shares: Sequence[Sequence[str]], claims: Path, config: DictConfig
) -> Any:
    """Call `task` where only one of `shares` is visible, the same for all runs of a process.

    Raises:
        ConfigError: if the run asks for more GPUs than the smallest share has.
    """
    share = shares[_claim_share(claims, len(shares))]
    devices, smallest = config.trainer.devices, min(map(len, shares))
    if isinstance(devices, int) and devices > smallest and config.trainer.accelerator != "cpu":
        count = len({gpu for gpus in shares for gpu in gpus})
        raise ConfigError(
            f"trainer.devices={devices} is more than the {smallest} of {count} GPUs that a run of "
            f"this sweep sees: choose WORKERS={max(1, count // devices)}, or fewer devices"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(share)
    return task(config)


def _claim_share(folder: Path, count: int) -> int:
    """Return a number below `count` that no other living process has claimed in `folder`."""
    while folder not in CLAIMS:
        for share in range(count):
            lock = FileLock(folder / f"{share}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                continue
            CLAIMS[folder] = share, lock
            break
        else:
            time.sleep(POLL_SECONDS)  # until the process that this one replaces has ended
    return CLAIMS[folder][0]


def _require_count(key: str, variable: str, value: Any) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(
            f"hydra.launcher.{key}={value} (or {variable}) is no whole number from 1 up"
            f"{', nor auto' if key == 'runs_per_gpu' else ''}"
        )
