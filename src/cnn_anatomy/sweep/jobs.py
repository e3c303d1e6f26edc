"""A run that a sweep has planned."""

from __future__ import annotations

from dataclasses import dataclass

from cnn_anatomy.studies.study import PlannedRun


@dataclass(frozen=True)
class Job:
    """A planned run, its key, and the overrides that pin what its machine would else decide."""

    run: PlannedRun
    key: str
    pinned: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return what the run is called."""
        return f"{self.run.study}: {self.run.variant} s{self.run.seed}"

    def overrides(self, parent: str) -> list[str]:
        """Return what the launcher is given."""
        return [
            *self.run.overrides,
            f"seed={self.run.seed}",
            f"study={self.run.study}",
            f"variant={quoted(self.run.variant)}",
            *self.pinned,
            f"tracking.parent={parent}",
        ]


def quoted(text: str) -> str:
    """Return `text` as Hydra's overrides have it, whatever is in it."""
    return "'" + text.replace("'", r"\'") + "'"
