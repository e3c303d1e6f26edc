"""What a sweep asks of its launcher, and what a launcher returns of a run that died."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from hydra.core.utils import JobReturn, JobStatus

from cnn_anatomy.core.errors import RunFailed
from cnn_anatomy.core.uris import without_secrets


class SweepLauncher(Protocol):
    """A launcher of Hydra's that says how many runs it trains at once."""

    @property
    def workers(self) -> int:
        """Return how many runs are trained at once."""

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Train a run with each of the overrides, and return the outcome of each.

        A run whose worker dies is a `failed_job` if the other workers live on. If they die with
        it, `launch` raises, and the sweep launches again what is not done.
        """


def failed_job(reason: str) -> JobReturn:
    """Return the outcome of a run that died for `reason`, one sentence."""
    job = JobReturn(status=JobStatus.FAILED)
    job.return_value = RunFailed(reason)
    return job


def one_line(error: BaseException) -> str:
    """Return the message of `error` in a single line, its addresses without passwords."""
    return without_secrets(" ".join(str(error).split()))
