"""A run that a sweep has planned."""

from __future__ import annotations

from dataclasses import dataclass

from hydra.core.override_parser.types import Quote, QuotedString

from cnn_anatomy.config.words import composable
from cnn_anatomy.core.paths import STORE_VARIABLE
from cnn_anatomy.core.uris import without_secrets
from cnn_anatomy.studies.planned_run import PlannedRun


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

    def overrides(self, uri: str, parent: str) -> list[str]:
        """Return the overrides by which a worker composes the run.

        Args:
            uri: the store.
            parent: id of the run in it that the run is a child of.
        """
        return [
            *composable(self.run.overrides),
            f"seed={self.run.seed}",
            f"study={self.run.study}",
            f"variant={quoted(self.run.variant)}",
            *([f"setting={self.run.setting}"] if self.run.setting else []),
            *self.pinned,
            f"tracking.uri={_store(uri)}",
            f"tracking.parent={parent}",
        ]


def _store(uri: str) -> str:
    """Return what makes a worker record its run in the store `uri`.

    Launchers write overrides to files. So one that has a password is left to the environment,
    which every launcher hands on.
    """
    return quoted(uri) if without_secrets(uri) == uri else f"${{oc.env:{STORE_VARIABLE}}}"


def quoted(text: str) -> str:
    """Return any `text` as a value in Hydra's override grammar."""
    return QuotedString(text, Quote.single).with_quotes()
