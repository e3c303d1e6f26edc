"""A job array on Slurm."""

from __future__ import annotations

import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra_plugins.hydra_submitit_launcher import submitit_launcher
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.interrupts import STOP, Stopped
from cnn_anatomy.launchers.lost_job import died

PAUSE = 3.0  # seconds between two looks at the queue
LATE = 15.0  # seconds that a shared folder may take to show the result of a job that has ended


class SlurmLauncher(submitit_launcher.SlurmLauncher):
    """Hydra's launcher on submitit, with three differences.

    A job that dies is its own failure: the others of the array go on. Ended is what Slurm's queue
    no longer lists, which needs no accounting. A sweep that is stopped cancels its array.

    A job that is told to end (preempted, requeued, cancelled: SIGTERM; its walltime is near:
    SIGUSR2) leaves its run interrupted; begun again, it goes on from the checkpoint.
    """

    @property
    def workers(self) -> int:
        """Return how many runs are trained at once."""
        return int(self.params["array_parallelism"])

    def setup(self, **parts: Any) -> None:
        """Keep what is launched (Hydra's hook).

        Raises:
            ConfigError: if this is no machine that submits jobs.
        """
        super().setup(**parts)
        for program in ("sbatch", "squeue", "srun"):
            if shutil.which(program) is None:
                raise ConfigError(
                    f"hydra/launcher=slurm finds no {program}: start the sweep where Slurm's jobs "
                    "are submitted, or take hydra/launcher=local"
                )

    def __call__(self, *job: Any) -> JobReturn:
        """Train one run, as a job of the array."""
        import submitit

        os.environ["CNN_ANATOMY_LOG"] = str(submitit.JobEnvironment().paths.stdout)
        try:
            with STOP:
                return super().__call__(*job)
        except Stopped as stop:
            if stop.args[0] == signal.SIGUSR2:
                signal.raise_signal(signal.SIGUSR2)  # now it is submitit's, which requeues the job
            raise

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Submit an array, wait until it has ended, and return what became of each job.

        Raises:
            ConfigError: if Slurm does not take it.
        """
        jobs = self._submit(job_overrides, initial_job_idx)
        number = jobs[0].job_id.partition("_")[0]
        print(f"Slurm job {number}, logs in {jobs[0].paths.folder}", file=sys.stderr, flush=True)
        try:
            _wait(jobs)
            latest = time.monotonic() + LATE
            return [_returned(job, latest) for job in jobs]
        except BaseException:
            subprocess.run(["scancel", number], check=False)
            _wait(jobs, patience=60)
            raise

    def _submit(self, job_overrides: Sequence[Sequence[str]], first: int) -> Sequence[Any]:
        import submitit

        params = dict(self.params)
        general = {field.name for field in dataclasses.fields(BaseQueueConf)}
        executor = submitit.AutoExecutor(
            folder=params.pop("submitit_folder"),
            cluster="slurm",
            slurm_max_num_timeout=params.pop("max_num_timeout"),
        )
        state = Singleton.get_state()
        calls = [
            (list(words), "hydra.sweep.dir", number, f"job_id_for_{number}", state)
            for number, words in enumerate(job_overrides, first)
        ]
        try:
            executor.update_parameters(
                **{k if k in general else f"slurm_{k}": v for k, v in params.items()}
            )
            return executor.map_array(self, *zip(*calls, strict=True))
        except (submitit.core.utils.FailedJobError, ValueError, TypeError) as error:
            said = " ".join(str(error).split())
            raise ConfigError(f"hydra/launcher=slurm: the jobs are refused: {said}") from error


def _wait(jobs: Sequence[Any], patience: float = float("inf")) -> None:
    """Wait until every job has a result or is out of Slurm's queue, at most `patience` seconds."""
    end = time.monotonic() + patience
    left = list(jobs)
    while left and time.monotonic() < end:
        queue = _queue()
        left = [
            job
            for job in left
            if not job.paths.result_pickle.exists() and (queue is None or job.job_id in queue)
        ]
        if left:
            time.sleep(PAUSE)


def _queue() -> set[str] | None:
    """Return the ids of one's jobs that wait or run, or None if Slurm does not answer."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(told.stdout.split()) if told.returncode == 0 else None


def _returned(job: Any, latest: float) -> JobReturn:
    """Return what a job that has ended returned, waiting for it until `latest`."""
    from submitit.core.utils import UncompletedJobError

    while not job.paths.result_pickle.exists():
        if time.monotonic() > latest:
            return died(f"Slurm job {job.job_id} ended without a result [{job.paths.stdout}]")
        time.sleep(1)
    try:
        return job.results()[0]
    except UncompletedJobError as error:
        lines = [line for line in str(error).splitlines() if "Error: " in line]
        why = lines[-1].rpartition("Error: ")[2] if lines else "it could not be read"
        return died(f"Slurm job {job.job_id}: {why} [{job.paths.stdout}]")
