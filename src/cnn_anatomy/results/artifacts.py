"""The files and metric histories of a sweep's runs, from which figures are drawn."""

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
    """A study's sweep and access to its runs' artifacts; each file is fetched once."""

    study: Study
    sweep: Sweep
    client: MlflowClient
    cache: dict[tuple[str, str], Any] = field(default_factory=dict)

    def variants(self, wanted: Sequence[str] | None = None) -> list[str]:
        """Return the variants with a finished run, in the order of `wanted` or of the plan."""
        finished = set(self.sweep.finished.variant)
        return [v for v in wanted or self.sweep.variants if v in finished]

    def runs(self, variant: str) -> pd.DataFrame:
        """Return the finished runs of a variant."""
        return self.sweep.finished[self.sweep.finished.variant == variant]

    def values(self, variant: str, name: str) -> pd.Series:
        """Return the final value of a metric by seed, without the seeds that lack it."""
        runs = self.runs(variant)
        column = f"metrics.{name}"
        if column not in runs:
            return pd.Series(dtype=float)
        return runs.set_index("seed")[column].dropna()

    def history(self, run: str, name: str) -> pd.Series:
        """Return all values that a run logged of a metric, by step."""
        logged = self._cached(run, name, lambda: self.client.get_metric_history(run, name))
        return pd.Series({m.step: m.value for m in logged}, dtype=float).sort_index()

    def frames(self, variant: str, name: str) -> dict[int, pd.DataFrame]:
        """Return the Parquet artifact `name` of each finished run of `variant` by its seed."""
        runs = self.runs(variant).set_index("seed").run_id
        frames = {
            int(seed): self._artifact(run, name, pd.read_parquet)  # type: ignore[call-overload]
            for seed, run in runs.items()
        }
        return {seed: frame for seed, frame in frames.items() if frame is not None}

    def frames_by_variant(
        self, name: str, wanted: Sequence[str] | None = None
    ) -> dict[str, dict[int, pd.DataFrame]]:
        """Return the Parquet artifact `name` by variant and seed, of the variants that have it."""
        artifacts = {v: self.frames(v, name) for v in self.variants(wanted)}
        return {v: frames for v, frames in artifacts.items() if frames}

    def arrays(self, variant: str, name: str) -> dict[str, np.ndarray] | None:
        """Return the npz artifact `name` of the variant's first seed that has one, else None."""
        for run in self.runs(variant).sort_values("seed").run_id:
            arrays = self._artifact(run, name, lambda path: dict(np.load(path)))
            if arrays is not None:
                return arrays
        return None

    def _artifact(self, run: str, name: str, load: Callable[[Path], Any]) -> Any:
        def fetch() -> Any:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    return load(Path(self.client.download_artifacts(run, name, folder)))
                except (MlflowException, OSError):  # the run has no such file
                    return None

        return self._cached(run, name, fetch)

    def _cached(self, run: str, name: str, fetch: Callable[[], Any]) -> Any:
        if (run, name) not in self.cache:
            self.cache[run, name] = fetch()
        return self.cache[run, name]
