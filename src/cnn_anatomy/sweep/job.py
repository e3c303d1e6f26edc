"""A run that a sweep has planned."""

from __future__ import annotations

from dataclasses import dataclass

from cnn_anatomy.studies import Planned


@dataclass(frozen=True)
class Job:
    """A planned run and its key."""

    run: Planned
    key: str

    @property
    def name(self) -> str:
        """Return what the run is called."""
        return f"{self.run.study}: {self.run.variant} s{self.run.seed}"

    def overrides(self, parent: str) -> list[str]:
        """Return what the launcher is given."""
        variant = self.run.variant.replace("'", r"\'")
        return [
            *self.run.overrides,
            f"seed={self.run.seed}",
            f"study={self.run.study}",
            f"variant='{variant}'",
            f"tracking.parent={parent}",
        ]
