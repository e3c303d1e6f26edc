"""Runs as MLflow keeps them, and a sweep's runs as a data frame."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run

from cnn_anatomy.errors import ConfigError

PAGE = 1000
ALWAYS = {
    "gap/accuracy",
    *(f"{s}/{what}" for s in ("train", "val", "test") for what in ("loss", "accuracy")),
}


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


def children(client: MlflowClient, experiment: str, query: str = "") -> Iterable[Run]:
    """Yield the experiment's training runs, the latest first; `query` narrows them down."""
    query = "tags.kind = 'run'" + (f" and {query}" if query else "")
    token = None
    while True:
        page = client.search_runs([experiment], query, max_results=PAGE, page_token=token)
        yield from page
        token = page.token
        if not token:
            return


def is_done(run: Run) -> bool:
    """Return whether a run is FINISHED with all metrics that every run logs."""
    return run.info.status == "FINISHED" and run.data.metrics.keys() >= ALWAYS


def finished(client: MlflowClient, experiment: str) -> dict[str, str]:
    """Return key → run id of the latest run of every key that is done."""
    found: dict[str, str] = {}
    for run in children(client, experiment, "attributes.status = 'FINISHED'"):
        if is_done(run):
            found.setdefault(run.data.tags.get("key", ""), run.info.run_id)
    return found


def read(
    client: MlflowClient, study: str, metrics: Sequence[str] = (), parent: str | None = None
) -> Sweep:
    """Read a sweep: `parent`, or the study's latest with its own settings.

    `metrics` names those that are wanted at a certain step, as in `gradient/decay@0`.

    Raises:
        ConfigError: if the store has no such sweep.
    """
    experiment = client.get_experiment_by_name(study)
    if experiment is not None and parent is None:
        parent = _latest(client, experiment.experiment_id)
    if experiment is None or parent is None:
        raise ConfigError(f"study={study} has no sweep in the store: make sweep STUDY={study}")
    runs: dict[str, Run] = {}
    for run in children(client, experiment.experiment_id):
        first = runs.setdefault(run.data.tags.get("key", ""), run)
        if first.info.status != "FINISHED" and run.info.status == "FINISHED":
            runs[run.data.tags["key"]] = run
    plan = _plan(client, parent)
    rows = [_row(client, planned, runs.get(planned["key"]), metrics) for planned in plan]
    return Sweep(study, parent, pd.DataFrame(rows))


def is_swept(client: MlflowClient, study: str) -> bool:
    """Return whether the store has a sweep of `study` with its own settings."""
    experiment = client.get_experiment_by_name(study)
    return experiment is not None and _latest(client, experiment.experiment_id) is not None


def _latest(client: MlflowClient, experiment: str) -> str | None:
    query = "tags.kind = 'sweep' and tags.preset = 'true'"
    found = client.search_runs([experiment], query, max_results=1)
    return found[0].info.run_id if found else None


def _plan(client: MlflowClient, parent: str) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        return json.loads(Path(client.download_artifacts(parent, "plan.json", folder)).read_text())[
            "runs"
        ]


def _row(
    client: MlflowClient, planned: dict[str, Any], run: Run | None, metrics: Sequence[str]
) -> dict[str, Any]:
    row = {**planned, "status": "MISSING", "run_id": "", "commit": ""}
    if run is None:
        return row
    row |= {
        "status": run.info.status,
        "run_id": run.info.run_id,
        "commit": run.data.tags.get("mlflow.source.git.commit", ""),
        "tags.hardware": run.data.tags.get("hardware"),
    }
    if run.info.status == "FINISHED":
        row |= {f"params.{k}": v for k, v in run.data.params.items()}
        row |= {f"metrics.{k}": v for k, v in run.data.metrics.items()}
        for metric in metrics:
            name, _, step = metric.partition("@")
            if step:
                history = client.get_metric_history(run.info.run_id, name)
                at = [m.value for m in history if m.step == int(step)]
                row[f"metrics.{metric}"] = at[-1] if at else float("nan")
    return row
