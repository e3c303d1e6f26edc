"""A run that a sweep has planned."""

from __future__ import annotations

from dataclasses import dataclass

from hydra.core.override_parser.types import Quote, QuotedString

from cnn_anatomy.studies.study import PlannedRun


@dataclass(frozen=True)
class Job:
    """A planned run.

    Args:
        run: the run.
        key: its key.
        pinned: overrides for what a worker on another machine would decide otherwise.
    """

    run: PlannedRun
    key: str
    pinned: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the run's name, as in `skip: skip=none s0`."""
        return f"{self.run.study}: {self.run.variant} s{self.run.seed}"

    def overrides(self, parent: str) -> list[str]:
        """Return the overrides by which a worker composes the run, a child of `parent`."""
        return [
            *self.run.overrides,
            f"seed={self.run.seed}",
            f"study={self.run.study}",
            f"variant={quoted(self.run.variant)}",
            *self.pinned,
            f"tracking.parent={parent}",
        ]


def quoted(text: str) -> str:
    """Return any `text` as a value in Hydra's override grammar."""
    return QuotedString(text, Quote.single).with_quotes()
