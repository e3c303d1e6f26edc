"""How the variants of a sweep were tuned: what each was tried with, and what it took."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

TUNING = "tuning.csv"  # beside the runs, if the study's variants were tuned
ACCURACY = "val/accuracy"


@dataclass(frozen=True)
class Tuning:
    """The runs by which each variant of a study took the value of a key.

    Args:
        trials: a row for each run, in the order in which values were given, with the columns
            `variant`, the name of the key, `seed` and `val/accuracy`.
    """

    trials: pd.DataFrame

    @classmethod
    def of(cls, records: Iterable[Mapping[str, Any]]) -> Tuning:
        """Return what `records` gave."""
        return cls(pd.DataFrame(list(records)))

    @classmethod
    def read(cls, file: Path) -> Tuning:
        """Read what `csv` wrote."""
        trials = pd.read_csv(file, dtype=str, keep_default_na=False)
        return cls(
            trials.assign(seed=trials.seed.map(int), **{ACCURACY: trials[ACCURACY].map(float)})
        )

    @property
    def csv(self) -> str:
        """Return the trials as a file's content."""
        return self.trials.to_csv(index=False, lineterminator="\n")

    @property
    def records(self) -> list[dict[str, Any]]:
        """Return the trials as JSON has them."""
        return [{str(k): v for k, v in row.items()} for row in self.trials.to_dict("records")]

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

    @property
    def means(self) -> dict[str, dict[str, float]]:
        """Return the mean validation accuracy over seeds, by variant and value."""
        groups = self.trials.groupby(["variant", self.key], sort=False, as_index=False)
        found: dict[str, dict[str, float]] = {}
        for variant, value, mean in groups[ACCURACY].mean().itertuples(index=False, name=None):
            found.setdefault(variant, {})[value] = float(mean)
        return found

    @property
    def chosen(self) -> dict[str, str]:
        """Return the value of each variant: that of the highest mean, of equal ones the first."""
        return {v: max(means, key=lambda x: means[x]) for v, means in self.means.items()}

    @property
    def at_the_edge(self) -> list[str]:
        """Return the variants that took the first or the last value: another may be better."""
        edges = {self.values[0], self.values[-1]}
        return [variant for variant, value in self.chosen.items() if value in edges]
