"""Where the files and metric histories of runs come from: a store, or the committed evidence.

The evidence of a page is what its figures read: `histories.parquet`, and each of the runs' files as
one file for all runs.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from cnn_anatomy.core.atomic import atomic_write

HISTORY_FILE = "histories.parquet"
EVIDENCE = ("*.parquet", "*.npz")  # the names of the files that `keep` writes


class RunFiles(Protocol):
    """Gives the histories and files of runs by run id."""

    def history(self, run: str, name: str) -> pd.Series:
        """Return all values that a run logged of a metric, by step."""

    def frame(self, run: str, name: str) -> pd.DataFrame | None:
        """Return a run's Parquet file `name`, None if it has none."""

    def arrays(self, run: str, name: str) -> dict[str, np.ndarray] | None:
        """Return a run's npz file `name`, None if it has none."""


def gradients_by_epoch(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the mean log10 of nonzero gradients of every epoch (−1: untrained) and layer.

    Columns: epoch, depth, log_rms. `frame` is that of GradientProbe, with a row for each step.
    """
    nonzero = frame[frame.rms > 0]
    means = np.log10(nonzero.rms).groupby([nonzero.epoch, nonzero.depth]).mean()
    return means.rename("log_rms").reset_index()


CONDENSED: dict[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "gradients.parquet": gradients_by_epoch
}


@dataclass(frozen=True)
class StoredFiles:
    """The files of runs in MLflow."""

    client: MlflowClient

    def history(self, run: str, name: str) -> pd.Series:
        """Return all values that a run logged of a metric, by step."""
        logged = self.client.get_metric_history(run, name)
        return pd.Series({m.step: m.value for m in logged}, dtype=float).sort_index()

    def frame(self, run: str, name: str) -> pd.DataFrame | None:
        """Return a run's Parquet file `name`, gradients by epoch, None if it has none."""
        frame = self._artifact(run, name, pd.read_parquet)
        return CONDENSED[name](frame) if frame is not None and name in CONDENSED else frame

    def arrays(self, run: str, name: str) -> dict[str, np.ndarray] | None:
        """Return a run's npz file `name`, None if it has none."""
        return self._artifact(run, name, lambda path: dict(np.load(path)))

    def _artifact(self, run: str, name: str, load: Callable[[Path], Any]) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            try:
                return load(Path(self.client.download_artifacts(run, name, folder)))
            except (MlflowException, OSError):  # the run has no such file
                return None


@dataclass(frozen=True)
class KeptFiles:
    """The files that `keep` left in a folder."""

    folder: Path

    def history(self, run: str, name: str) -> pd.Series:
        """Return all values that a run logged of a metric, by step."""
        rows = self._histories.get((run, name))
        return pd.Series(dtype=float) if rows is None else rows.set_index("step").value

    def frame(self, run: str, name: str) -> pd.DataFrame | None:
        """Return a run's Parquet file `name`, None if it has none."""
        if name not in self._frames:
            file = self.folder / name
            frame = pd.read_parquet(file) if file.is_file() else pd.DataFrame({"run_id": []})
            self._frames[name] = dict(iter(frame.groupby("run_id", sort=False)))
        found = self._frames[name].get(run)
        return None if found is None else found.drop(columns="run_id").reset_index(drop=True)

    def arrays(self, run: str, name: str) -> dict[str, np.ndarray] | None:
        """Return a run's npz file `name`, None if it has none."""
        file = self.folder / name
        if not file.is_file():
            return None
        with np.load(file) as arrays:
            keys = [key for key in arrays if key.startswith(f"{run}/")]
            return {key.partition("/")[2]: arrays[key] for key in keys} or None

    @cached_property
    def _histories(self) -> dict[Any, pd.DataFrame]:
        file = self.folder / HISTORY_FILE
        if not file.is_file():
            return {}
        return dict(iter(pd.read_parquet(file).groupby(["run_id", "metric"])))

    @cached_property
    def _frames(self) -> dict[str, dict[Any, pd.DataFrame]]:
        return {}


def keep(fetched: Mapping[tuple[str, str], Any], folder: Path) -> None:
    """Write what was fetched of runs, by run id and name, into files that `KeptFiles` reads.

    Files of an earlier sweep are deleted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for pattern in EVIDENCE:
        for file in folder.glob(pattern):
            file.unlink()
    histories: list[pd.DataFrame] = []
    frames: dict[str, list[pd.DataFrame]] = {}
    arrays: dict[str, dict[str, np.ndarray]] = {}
    for (run, name), value in fetched.items():
        match value:
            case pd.Series():
                history = value.rename("value").rename_axis("step").reset_index()
                histories.append(history.assign(run_id=run, metric=name))
            case pd.DataFrame():
                frames.setdefault(name, []).append(value.assign(run_id=run))
            case dict():
                arrays.setdefault(name, {}).update({f"{run}/{k}": v for k, v in value.items()})
    if histories:
        frames[HISTORY_FILE] = histories
    for name, parts in frames.items():
        with atomic_write(folder / name) as part:
            pd.concat(parts, ignore_index=True).to_parquet(part, index=False, compression="zstd")
    for name, named in arrays.items():
        with atomic_write(folder / name) as part, part.open("wb") as stream:
            np.savez_compressed(stream, **named)  # type: ignore[arg-type]
