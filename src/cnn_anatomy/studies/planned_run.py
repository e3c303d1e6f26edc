"""A run as a study plans it."""

from __future__ import annotations

from typing import NamedTuple


class PlannedRun(NamedTuple):
    """One run of a study: its variant and seed, and the overrides that make the variant.

    `study` is the name of a study in a setting (see `Study`), and `setting` that of the setting.
    """

    study: str
    variant: str
    seed: int
    overrides: tuple[str, ...]
    setting: str = ""
