"""What a sweep is to do, once its variants are composed and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from cnn_anatomy.sweep.jobs import Job
from cnn_anatomy.sweep.plan_cache import PlanCache
from cnn_anatomy.sweep.request import SweepRequest


@dataclass(frozen=True)
class SweepPlan:
    """What a sweep trains, and where its runs and pages go.

    Args:
        request: the studies.
        jobs: every run of every study.
        uri: the store.
        cache: the cache's folder.
        plan_cache: where the jobs are cached, and their publication is recorded.
        force: whether to train even the runs that are done.
    """

    request: SweepRequest
    jobs: tuple[Job, ...]
    uri: str
    cache: Path
    plan_cache: PlanCache
    force: bool = False

    def jobs_of(self, study: str) -> list[Job]:
        """Return the jobs of one of the studies."""
        return [job for job in self.jobs if job.run.study == study]
