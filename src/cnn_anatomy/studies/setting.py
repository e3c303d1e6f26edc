"""Settings: the data, widths and budgets in which a study's claims are judged."""

from __future__ import annotations

import os
import re

from cnn_anatomy.studies.record import Count, Overrides, Record
from cnn_anatomy.studies.tune import Tune

ALL_SETTINGS = "all"  # the word for every setting of a study
TRIALS = "tuning"  # what the name ends with under which the trials of a setting are kept
VARIABLE = re.compile(r"\$\{oc\.env:(\w+)\}")  # without a default


def is_setting_name(text: str) -> bool:
    """Return whether a setting may have this name: also of a folder and an experiment.

    The trials that tune a study have names of their own.
    """
    taken = text == ALL_SETTINGS or text.endswith(TRIALS)
    return bool(re.fullmatch(r"\w[\w.-]*", text)) and not taken


class StudySetting(Record):
    """Data, width and budget of a study's runs, one of those in which its claims are judged.

    Attributes:
        overrides: further Hydra overrides, which win over those that all variants share.
        seeds: how many seeds each variant is trained with, in place of the study's.
        tune: the key that each variant is tuned by, in place of the study's.
        limits: what the study does not show in this setting, in place of the study's.
        needs: how to get the data, where an override names an environment variable.
    """

    overrides: Overrides = ()
    seeds: Count | None = None
    tune: Tune | None = None
    limits: str = ""
    needs: str = ""

    def tuned_by(self, tune: Tune | None) -> Tune | None:
        """Return what variants are tuned by in this setting of a study that has `tune`."""
        return self.tune if "tune" in self.model_fields_set else tune

    @property
    def unset_variable(self) -> str | None:
        """Return an environment variable that the overrides need and that isn't set, else None."""
        names = (name for word in self.overrides for name in VARIABLE.findall(word))
        return next((name for name in names if not os.environ.get(name)), None)
