"""The files and metric histories of a sweep's runs, from which figures are drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from cnn_anatomy.results.run_files import RunFiles, keep
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.study import Study

HISTORIES = ("train/accuracy", "val/accuracy", "gradient/decay")  # which a site shows


@dataclass(frozen=True)
class Evidence:
    """A study's sweep and access to its runs' files; each file is fetched once."""

    study: Study
    sweep: Sweep
    files: RunFiles
    cache: dict[tuple[str, str], Any] = field(default_factory=dict)

    def variants(self, wanted: Sequence[str] | None = None) -> list[str]:
        """Return the variants with a finished run, in the order of `wanted` or of the plan."""
        finished = set(self.sweep.finished.variant)
        return [v for v in wanted or self.sweep.variants if v in finished]

    def runs(self, variant: str) -> pd.DataFrame:
        """Return the finished runs of a variant."""
        return self.sweep.finished[self.sweep.finished.variant == variant]

    def values(self, variant: str, name: str) -> pd.Series:
        """Return a metric's final value by seed (see `Sweep.values`)."""
        return self.sweep.values(variant, name)

    def history(self, run: str, name: str) -> pd.Series:
        """Return all values that a run logged of a metric, by step."""
        if (run, name) not in self.cache:
            self.cache[run, name] = self.files.history(run, name)
        return self.cache[run, name]

    def frames(self, variant: str, name: str) -> dict[int, pd.DataFrame]:
        """Return the Parquet artifact `name` of each finished run of `variant` by its seed."""
        runs = self.runs(variant)
        frames = {}
        for seed, run in zip(runs.seed, runs.run_id, strict=True):
            if (run, name) not in self.cache:
                self.cache[run, name] = self.files.frame(run, name)
            if self.cache[run, name] is not None:
                frames[int(seed)] = self.cache[run, name]
        return frames

    def frames_by_variant(
        self, name: str, wanted: Sequence[str] | None = None
    ) -> dict[str, dict[int, pd.DataFrame]]:
        """Return the Parquet artifact `name` by variant and seed, of the variants that have it."""
        artifacts = {v: self.frames(v, name) for v in self.variants(wanted)}
        return {v: frames for v, frames in artifacts.items() if frames}

    def arrays(self, variant: str, name: str) -> dict[str, np.ndarray] | None:
        """Return the npz artifact `name` of the variant's first seed that has one, else None."""
        for run in self.runs(variant).sort_values("seed").run_id:
            if (run, name) not in self.cache:
                self.cache[run, name] = self.files.arrays(run, name)
            if self.cache[run, name] is not None:
                return self.cache[run, name]
        return None

    def save(self, folder: Path) -> None:
        """Keep in `folder` what has been fetched, with the histories that a site shows."""
        for run in self.sweep.finished.run_id:
            for name in HISTORIES:
                self.history(run, name)
        keep(self.cache, folder)
