"""A sweep's planned runs and what MLflow holds of them, as a data frame."""

from __future__ import annotations

import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient

from cnn_anatomy.core.commands import sweep_command
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.results.tuning import Tuning
from cnn_anatomy.studies.registration import Registration
from cnn_anatomy.tracking.registration import REGISTRATION_TAG
from cnn_anatomy.tracking.run_cache import read_runs

REQUIRED_METRICS = {
    "gap/accuracy",
    *(f"{split}/{what}" for split in ("train", "val", "test") for what in ("loss", "accuracy")),
}

ANY_SWEEP = "tags.kind = 'sweep'"
PRESET_SWEEP = f"{ANY_SWEEP} and tags.preset = 'true'"  # by the study's own settings


@dataclass(frozen=True)
class Sweep:
    """The runs that one sweep planned, joined with the results that MLflow holds.

    `runs` has a row for each planned run, in the plan's order, with the columns `variant`, `seed`,
    `key`, `overrides`, `status` (MISSING if the run never started), `run_id`, `commit`,
    `tags.hardware`, `params.<name>` and `metrics.<name>` (NaN if not logged). `until_decided` says
    that seeds were added until the claims were decided, so that they were looked at in between;
    `registration` holds the study's claims as they were before its first run, if they were kept,
    and `tuning` how its variants were tuned, if they were.
    """

    study: str
    parent: str
    runs: pd.DataFrame
    until_decided: bool = False
    registration: Registration | None = None
    tuning: Tuning | None = None

    @property
    def finished(self) -> pd.DataFrame:
        """Return the rows of the finished runs."""
        return self.runs[self.runs.status == "FINISHED"]

    @property
    def variants(self) -> list[str]:
        """Return the variants in the plan's order."""
        return list(dict.fromkeys(self.runs.variant))

    @property
    def seed_count(self) -> int:
        """Return the number of different seeds planned."""
        return self.runs.seed.nunique()

    @property
    def missing_clause(self) -> str:
        """Return `; 3 runs are missing`, to end a sentence with; empty if none is missing."""
        missing = len(self.runs) - len(self.finished)
        return f"; {missing} {'run is' if missing == 1 else 'runs are'} missing" * (missing > 0)

    @property
    def code(self) -> str:
        """Return the code of the finished runs: `commit 0123abcd`, + if the tree was modified.

        Of an installed package `version 0.1.0`.
        """
        commits = sorted(set(self.finished.commit))
        short = ", ".join(c if "." in c else c[:8] + "+" * c.endswith("+") for c in commits)
        return f"{'version' if '.' in short else 'commit'} {short or 'none'}"

    def values(self, variant: str, name: str) -> pd.Series:
        """Return a metric's final value by seed, over the variant's finished runs that have it."""
        runs = self.finished
        runs = runs[runs.variant == variant].set_index("seed")
        return runs.get(f"metrics.{name}", pd.Series(dtype=float)).astype(float).dropna()

    def distinct(self, column: str, separator: str = ", ") -> str:
        """Return the different values of a column over the finished runs, joined."""
        values = self.finished.get(column, pd.Series(dtype=str)).dropna()
        return separator.join(dict.fromkeys(map(str, values)))


def is_done(runs: pd.DataFrame) -> pd.Series:
    """Return for each run whether it is FINISHED and has logged all required metrics."""
    columns = [f"metrics.{name}" for name in REQUIRED_METRICS]
    return runs.reindex(columns=columns).notna().all(axis=1) & (runs.status == "FINISHED")


def finished_run_ids(client: MlflowClient, experiment: str) -> dict[str, str]:
    """Return run key → id of the latest run that is done."""
    runs = read_runs(client, experiment)
    done = runs[is_done(runs)].reindex(columns=["tags.key", "run_id"])
    return dict(done[::-1].itertuples(index=False, name=None))


def read_sweep(client: MlflowClient, study: str, parent: str | None = None) -> Sweep:
    """Read the sweep whose parent run is `parent`; by default the study's latest preset sweep.

    Raises:
        ConfigError: if the store has no such sweep.
    """
    experiment = client.get_experiment_by_name(study)
    if experiment is not None and parent is None:
        parent = _latest(client, experiment.experiment_id, PRESET_SWEEP)
    if experiment is None or parent is None:
        raise ConfigError(
            f"study={study} has no sweep in the store with the seeds and settings of its file: "
            f"{sweep_command(study)}"
        )
    plan = _plan(client, parent)
    runs = _joined(pd.DataFrame(plan["runs"]), read_runs(client, experiment.experiment_id))
    text = experiment.tags.get(REGISTRATION_TAG)
    registered = Registration.model_validate_json(text) if text else None
    tuning = Tuning.of(plan["tuning"]) if plan.get("tuning") else None
    return Sweep(study, parent, runs, plan.get("until_decided", False), registered, tuning)


def newest_sweep(client: MlflowClient, study: str) -> str | None:
    """Return the parent run id of the study's latest sweep, whatever its settings, or None."""
    experiment = client.get_experiment_by_name(study)
    return None if experiment is None else _latest(client, experiment.experiment_id, ANY_SWEEP)


def is_swept(client: MlflowClient, study: str) -> bool:
    """Return whether the store has a preset sweep of `study`."""
    experiment = client.get_experiment_by_name(study)
    if experiment is None:
        return False
    return _latest(client, experiment.experiment_id, PRESET_SWEEP) is not None


def _latest(client: MlflowClient, experiment: str, query: str) -> str | None:
    sweeps = client.search_runs([experiment], query, max_results=1)
    return sweeps[0].info.run_id if sweeps else None


def _plan(client: MlflowClient, parent: str) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(client.download_artifacts(parent, "plan.json", folder))
        return json.loads(file.read_text(encoding="utf-8"))


def _joined(plan: pd.DataFrame, runs: pd.DataFrame) -> pd.DataFrame:
    """Join each planned run with the latest run of its key, preferring a finished one."""
    if not len(runs):
        return plan.assign(status="MISSING", run_id="", commit="")
    runs = runs.rename(columns={"tags.key": "key", "tags.mlflow.source.git.commit": "commit"})
    runs = runs.sort_values("status", key=lambda s: s != "FINISHED", kind="stable")
    columns = ["key", "status", "run_id", "commit", "tags.hardware"]
    results = [c for c in map(str, runs.columns) if c.startswith(("params.", "metrics."))]
    latest = runs.drop_duplicates("key").reindex(columns=[*columns, *results])
    latest.loc[latest.status != "FINISHED", results] = None
    joined = plan.merge(latest, how="left", on="key")
    return joined.fillna({"status": "MISSING", "run_id": "", "commit": ""})
