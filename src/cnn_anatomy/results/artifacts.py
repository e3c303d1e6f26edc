"""What figures are drawn from: a sweep's runs, their files and their histories."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.study import Study


@dataclass(frozen=True)
class Evidence:
    """A study's sweep, and what MLflow holds beside its numbers; each file is fetched once."""

    study: Study
    sweep: Sweep
    client: MlflowClient
    kept: dict[tuple[str, str], Any] = field(default_factory=dict)

    def variants(self, wanted: Sequence[str] | None = None) -> list[str]:
        """Return the variants with a finished run, in the plan's order; `wanted` in its own."""
        done = set(self.sweep.finished.variant)
        return [v for v in wanted or self.sweep.variants if v in done]

    def runs(self, variant: str) -> pd.DataFrame:
        """Return the finished runs of a variant."""
        return self.sweep.finished[self.sweep.finished.variant == variant]

    def values(self, variant: str, name: str) -> pd.Series:
        """Return a metric by seed."""
        runs = self.runs(variant)
        column = f"metrics.{name}"
        if column not in runs:
            return pd.Series(dtype=float)
        return runs.set_index("seed")[column].dropna()

    def history(self, run: str, name: str) -> pd.Series:
        """Return a metric by step."""
        logged = self._once(run, name, lambda: self.client.get_metric_history(run, name))
        return pd.Series({m.step: m.value for m in logged}, dtype=float).sort_index()

    def frames(self, variant: str, name: str) -> list[pd.DataFrame]:
        """Return the data frame `name` (Parquet) of every run of `variant` that has one."""
        found = [self._file(run, name, pd.read_parquet) for run in self.runs(variant).run_id]
        return [frame for frame in found if frame is not None]

    def arrays(self, variant: str, name: str) -> dict[str, np.ndarray] | None:
        """Return the arrays of `name` (npz) of the variant's first run that has them."""
        for run in self.runs(variant).sort_values("seed").run_id:
            found = self._file(run, name, lambda path: dict(np.load(path)))
            if found is not None:
                return found
        return None

    def _file(self, run: str, name: str, load: Callable[[Path], Any]) -> Any:
        def fetch() -> Any:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    return load(Path(self.client.download_artifacts(run, name, folder)))
                except (MlflowException, OSError):  # the run has no such file
                    return None

        return self._once(run, name, fetch)

    def _once(self, run: str, name: str, fetch: Callable[[], Any]) -> Any:
        if (run, name) not in self.kept:
            self.kept[run, name] = fetch()
        return self.kept[run, name]
