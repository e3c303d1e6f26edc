"""What a sweep is to do, once its variants are composed and checked."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cnn_anatomy.studies.planned_run import PlannedRun
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
        most_seeds: number of seeds up to which they are added until the claims are decided; None
            where no seeds are added.
        key: returns the jobs of further runs of the same variants.
    """

    request: SweepRequest
    jobs: tuple[Job, ...]
    uri: str
    cache: Path
    plan_cache: PlanCache
    force: bool = False
    most_seeds: int | None = None
    key: Callable[[Sequence[PlannedRun]], tuple[Job, ...]] = lambda runs: ()

    @property
    def until_decided(self) -> bool:
        """Return whether seeds are added until the claims are decided."""
        return self.most_seeds is not None

    def records_of(self, study: str) -> list[dict[str, Any]]:
        """Return the jobs of one of the studies as plan.json has them."""
        return [{**job.run._asdict(), "key": job.key} for job in self.jobs_of(study)]

    def tuning_of(self, study: str) -> list[dict[str, Any]]:
        """Return how one of the studies was tuned as plan.json has it; empty if it was not."""
        tuning = self.request.tunings.get(study)
        return [] if tuning is None else tuning.records

    def jobs_of(self, study: str) -> list[Job]:
        """Return the jobs of one of the studies."""
        return [job for job in self.jobs if job.run.study == study]
