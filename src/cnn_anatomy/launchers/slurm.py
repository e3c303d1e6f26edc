"""A job array on Slurm."""

from __future__ import annotations

import dataclasses
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any

from hydra.core.override_parser.types import Quote, QuotedString
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn
from hydra_plugins.hydra_submitit_launcher import submitit_launcher
from hydra_plugins.hydra_submitit_launcher.config import BaseQueueConf

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.interrupts import STOP, Stopped
from cnn_anatomy.launchers.launcher import failed_job, one_line

POLL_SECONDS = 3.0  # between two queries of the queue
RESULT_DELAY_SECONDS = 15.0  # until a shared folder shows the result of a job that has ended
CANCEL_SECONDS = 60.0  # for cancelled jobs to leave the queue


class SlurmLauncher(submitit_launcher.SlurmLauncher):
    """Hydra's submitit launcher, with three differences.

    A job that dies fails alone: the others of the array go on. A job has ended when Slurm's queue
    no longer lists it, which needs no accounting. A sweep that is stopped cancels its array.

    A job that receives SIGTERM (preempted, requeued, cancelled) or SIGUSR2 (its walltime is nearly
    over) leaves its run interrupted. Requeued, it resumes from the checkpoint.
    """

    @property
    def workers(self) -> int:
        """Return how many runs are trained at once."""
        return int(self.params["array_parallelism"])

    def setup(self, **parts: Any) -> None:
        """Keep the task (Hydra's hook).

        Raises:
            ConfigError: if this machine can't submit jobs.
        """
        super().setup(**parts)
        for program in ("sbatch", "squeue", "srun"):
            if shutil.which(program) is None:
                raise ConfigError(
                    f"hydra/launcher=slurm finds no {program}: start the sweep where Slurm's jobs "
                    "are submitted, or take hydra/launcher=local"
                )

    def __call__(self, overrides: Sequence[str], *job: Any) -> JobReturn:
        """Train one run in a job of the array; its run records where the job's log is."""
        import submitit

        log = QuotedString(str(submitit.JobEnvironment().paths.stdout), Quote.single)
        words = [*overrides, f"tracking.log={log.with_quotes()}"]
        try:
            with STOP:
                return super().__call__(words, *job)
        except Stopped as stop:
            if stop.args[0] == signal.SIGUSR2:
                signal.raise_signal(signal.SIGUSR2)  # submitit's handler now: it requeues the job
            raise

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Submit an array, wait until it has ended, and return the outcome of each job.

        Raises:
            ConfigError: if Slurm refuses the array.
        """
        jobs = self._submit(job_overrides, initial_job_idx)
        array = jobs[0].job_id.partition("_")[0]
        print(f"Slurm job {array}, logs in {jobs[0].paths.folder}", file=sys.stderr, flush=True)
        try:
            _wait(jobs)
            deadline = time.monotonic() + RESULT_DELAY_SECONDS
            return [_outcome(job, deadline) for job in jobs]
        except BaseException:
            subprocess.run(["scancel", array], check=False)
            _wait(jobs, timeout_seconds=CANCEL_SECONDS)
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
        singletons = Singleton.get_state()
        calls = [
            (list(words), "hydra.sweep.dir", number, f"job_id_for_{number}", singletons)
            for number, words in enumerate(job_overrides, first)
        ]
        try:
            executor.update_parameters(
                **{k if k in general else f"slurm_{k}": v for k, v in params.items()}
            )
        except (ValueError, TypeError) as error:  # submitit's for a setting it does not accept
            raise _refused(error) from error
        try:
            return executor.map_array(self, *zip(*calls, strict=True))
        except submitit.core.utils.FailedJobError as error:  # what sbatch answered
            raise _refused(error) from error


def _refused(error: Exception) -> ConfigError:
    return ConfigError(f"hydra/launcher=slurm: the jobs are refused: {one_line(error)}")


def _wait(jobs: Sequence[Any], timeout_seconds: float = float("inf")) -> None:
    """Wait until every job has a result or has left Slurm's queue."""
    end = time.monotonic() + timeout_seconds
    waiting = list(jobs)
    while waiting and time.monotonic() < end:
        queued = _queued_jobs()
        waiting = [
            job
            for job in waiting
            if not job.paths.result_pickle.exists() and (queued is None or job.job_id in queued)
        ]
        if waiting:
            time.sleep(POLL_SECONDS)


def _queued_jobs() -> set[str] | None:
    """Return the ids of this user's jobs that wait or run, or None if Slurm does not answer."""
    command = ["squeue", "--me", "--noheader", "--array", "--format=%i"]
    squeue = subprocess.run(command, capture_output=True, text=True, check=False)
    return set(squeue.stdout.split()) if squeue.returncode == 0 else None


def _outcome(job: Any, deadline: float) -> JobReturn:
    """Return the result of a job that has ended, waiting until `deadline` for its file."""
    from submitit.core.utils import UncompletedJobError

    while not job.paths.result_pickle.exists():
        if time.monotonic() > deadline:
            return failed_job(f"Slurm job {job.job_id} ended without a result [{job.paths.stdout}]")
        time.sleep(1)
    try:
        return job.results()[0]
    except UncompletedJobError as error:
        lines = [line for line in str(error).splitlines() if "Error: " in line]
        why = lines[-1].rpartition("Error: ")[2] if lines else "its result is unreadable"
        return failed_job(f"Slurm job {job.job_id}: {why} [{job.paths.stdout}]")
