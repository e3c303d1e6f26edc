"""How the variants of a sweep were tuned: what each was tried with, and what it took."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

TUNING = "tuning.csv"  # beside the runs, if the study's variants were tuned
ACCURACY = "val/accuracy"


@dataclass(frozen=True)
class Tuning:
    """The trials by which each variant of a study took the value of a key.

    Args:
        trials: a row for each, in the order in which values were given, with the columns `variant`,
            the name of the key, `seed` and `val/accuracy`: the validation accuracy of the epoch
            whose weights are tested, NaN if the trial diverged.
    """

    trials: pd.DataFrame

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]]) -> Tuning:
        """Return what `records` gave."""
        trials = pd.DataFrame(list(records))
        return cls(trials.assign(**{ACCURACY: trials[ACCURACY].astype(float)}))

    @classmethod
    def read(cls, file: Path) -> Tuning:
        """Read what `csv` wrote."""
        trials = pd.read_csv(file, dtype=str, keep_default_na=False)
        accuracies = trials[ACCURACY].replace("", "nan").map(float)
        return cls(trials.assign(seed=trials.seed.map(int), **{ACCURACY: accuracies}))

    @property
    def csv(self) -> str:
        """Return the trials as a file's content."""
        return self.trials.to_csv(index=False, lineterminator="\n")

    @property
    def records(self) -> list[dict[str, Any]]:
        """Return the trials as JSON has them."""
        rows = self.trials.astype(object).where(self.trials.notna(), None).to_dict("records")
        return [{str(key): value for key, value in row.items()} for row in rows]

    @property
    def key(self) -> str:
        """Return the key that was tuned."""
        return str(self.trials.columns[1])

    @property
    def values(self) -> list[str]:
        """Return the values that were tried, in the order in which they were given."""
        return list(dict.fromkeys(self.trials[self.key]))

    @property
    def seeds(self) -> list[int]:
        """Return the seeds of the trials."""
        return sorted(set(map(int, self.trials.seed)))

    @cached_property
    def means(self) -> dict[str, dict[str, float]]:
        """Return the mean accuracy over seeds, by variant and value; NaN if one diverged."""
        groups = self.trials.groupby(["variant", self.key], sort=False)[ACCURACY]
        means = groups.agg(lambda values: values.mean(skipna=False)).reset_index()
        found: dict[str, dict[str, float]] = {}
        for variant, value, mean in means.itertuples(index=False, name=None):
            found.setdefault(variant, {})[value] = float(mean)
        return found

    @cached_property
    def chosen(self) -> dict[str, str]:
        """Return the value of each variant: that of the highest mean, of equal ones the first.

        A variant of which a trial of every value diverged has none.
        """
        return {
            variant: max(means, key=lambda value: _rank(means[value]))
            for variant, means in self.means.items()
            if not all(map(math.isnan, means.values()))
        }

    @property
    def at_an_end(self) -> list[str]:
        """Return the variants that took the smallest or the largest number of those tried."""
        try:
            numbers = sorted(self.values, key=float)
        except ValueError:
            return []
        ends = {numbers[0], numbers[-1]}
        return [variant for variant, value in self.chosen.items() if value in ends]


def _rank(mean: float) -> float:
    return -math.inf if math.isnan(mean) else mean
