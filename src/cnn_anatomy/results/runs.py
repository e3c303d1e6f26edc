"""Runs as MLflow keeps them, and a sweep's runs as a data frame."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.tracking.run_cache import read_runs

ALWAYS = {
    "gap/accuracy",
    *(f"{s}/{what}" for s in ("train", "val", "test") for what in ("loss", "accuracy")),
}

OWN = "tags.kind = 'sweep' and tags.preset = 'true'"  # a study's sweep by its own settings


@dataclass(frozen=True)
class Sweep:
    """What one sweep planned, and what is there of it.

    `runs` has a row for each planned run, in order: `variant`, `seed`, `key`, `overrides`,
    `status` (a run that never began is MISSING), `run_id`, `commit`, and `params.<name>`,
    `metrics.<name>` (missing: NaN), `tags.hardware`.
    """

    study: str
    parent: str
    runs: pd.DataFrame

    @property
    def finished(self) -> pd.DataFrame:
        """Return the rows of the finished runs."""
        return self.runs[self.runs.status == "FINISHED"]

    @property
    def variants(self) -> list[str]:
        """Return the variants in the plan's order."""
        return list(dict.fromkeys(self.runs.variant))

    @property
    def holes(self) -> str:
        """Return how many runs are missing, in words that go on a sentence; nothing if none."""
        missing = len(self.runs) - len(self.finished)
        return f"; {missing} of them are missing" if missing else ""

    @property
    def commits(self) -> str:
        """Return the commits of the finished runs in eight digits, + where the tree differed."""
        found = set(self.finished.commit)
        return ", ".join(sorted(c[:8] + "+" * c.endswith("+") for c in found)) or "none"

    def values(self, column: str, separator: str = ", ") -> str:
        """Return the different values that the finished runs have in a column of `runs`."""
        found = self.finished.get(column, pd.Series(dtype=str)).dropna()
        return separator.join(dict.fromkeys(map(str, found)))


def is_done(runs: pd.DataFrame) -> pd.Series:
    """Return of each of `runs` whether it is FINISHED with all metrics that runs log."""
    logged = runs.reindex(columns=[f"metrics.{name}" for name in ALWAYS]).notna().all(axis=1)
    return logged & (runs.status == "FINISHED")


def finished(client: MlflowClient, experiment: str) -> dict[str, str]:
    """Return key → run id of the latest run of every key that is done."""
    runs = read_runs(client, experiment)
    done = runs[is_done(runs)].reindex(columns=["tags.key", "run_id"])
    return dict(done[::-1].itertuples(index=False, name=None))


def read(client: MlflowClient, study: str, parent: str | None = None) -> Sweep:
    """Read a sweep: `parent`, or the study's latest with its own settings.

    Raises:
        ConfigError: if the store has no such sweep.
    """
    experiment = client.get_experiment_by_name(study)
    if experiment is not None and parent is None:
        parent = _latest(client, experiment.experiment_id)
    if experiment is None or parent is None:
        raise ConfigError(
            f"study={study} has no sweep in the store with all its own seeds and settings: "
            f"make sweep STUDY={study}"
        )
    plan = pd.DataFrame(_plan(client, parent))
    runs = read_runs(client, experiment.experiment_id)
    return Sweep(study, parent, _joined(plan, runs))


def _joined(plan: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Return what was planned, each with the latest run of its key, a finished one if there is."""
    if not len(runs):
        return plan.assign(status="MISSING", run_id="", commit="")
    runs = runs.rename(columns={"tags.key": "key", "tags.mlflow.source.git.commit": "commit"})
    runs = runs.sort_values("status", key=lambda s: s != "FINISHED", kind="stable")
    wanted = ["key", "status", "run_id", "commit", "tags.hardware"]
    values = [c for c in map(str, runs.columns) if c.startswith(("params.", "metrics."))]
    latest = runs.drop_duplicates("key").reindex(columns=[*wanted, *values])
    latest.loc[latest.status != "FINISHED", values] = None
    joined = plan.merge(latest, how="left", on="key")
    return joined.fillna({"status": "MISSING", "run_id": "", "commit": ""})


def newest(client: MlflowClient, study: str) -> str | None:
    """Return the run id of the latest sweep of `study` by any settings, None if none was."""
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        return None
    return _latest(client, experiment.experiment_id, "tags.kind = 'sweep'")


def is_swept(client: MlflowClient, study: str) -> bool:
    """Return whether the store has a sweep of `study` with its own settings."""
    experiment = client.get_experiment_by_name(study)
    return experiment is not None and _latest(client, experiment.experiment_id) is not None


def _latest(client: MlflowClient, experiment: str, query: str = OWN) -> str | None:
    found = client.search_runs([experiment], query, max_results=1)
    return found[0].info.run_id if found else None


def _plan(client: MlflowClient, parent: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        return json.loads(Path(client.download_artifacts(parent, "plan.json", folder)).read_text())[
            "runs"
        ]
