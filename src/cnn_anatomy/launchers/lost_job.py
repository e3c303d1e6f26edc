"""What a launcher returns of a job whose worker died."""

from __future__ import annotations

from hydra.core.utils import JobReturn, JobStatus


def died(reason: str) -> JobReturn:
    """Return a job that failed for `reason`, a sentence for the sweep's summary."""
    returned = JobReturn(status=JobStatus.FAILED)
    returned.return_value = RuntimeError(reason)
    return returned
