"""The finished runs of an experiment side by side: trained networks, and evaluations of weights."""

from __future__ import annotations

from collections.abc import Sequence

import rich.table
from mlflow import MlflowClient
from mlflow.entities import Run

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.results.metrics import metric

KINDS = {"run": "trained", "evaluation": "evaluated"}  # by the tag `kind`
METRICS = (
    *("val/accuracy", "test/accuracy", "gap/accuracy", "consistency/shift"),
    *("accuracy/scale", "accuracy/noise", "params/total", "macs"),
)
FINISHED = "attributes.status = 'FINISHED'"
MOST_RUNS = 1000


def runs_table(client: MlflowClient, experiment: str) -> rich.table.Table:
    """Return a row for each finished run: how it came about, what it differs in, its metrics.

    Raises:
        ConfigError: if there is no such experiment, or no finished run in it.
    """
    runs = _finished_runs(client, experiment)
    params = _differing_params(runs)
    metrics = [name for name in METRICS if any(name in run.data.metrics for run in runs)]
    table = rich.table.Table(title=f"finished runs of {experiment}", title_justify="left")
    for head in ("run", ""):
        table.add_column(head, no_wrap=True)
    for name in params:
        table.add_column(name)
    for name in metrics:
        table.add_column(metric(name).label, justify="right")
    for run in runs:
        values = run.data.metrics
        table.add_row(
            run.info.run_id[:8],
            KINDS[run.data.tags["kind"]],
            *(run.data.params.get(name, "–") for name in params),
            *(metric(name).text(values[name]) if name in values else "–" for name in metrics),
        )
    return table


def _finished_runs(client: MlflowClient, experiment: str) -> list[Run]:
    """Return the finished runs of the kinds in KINDS, the first one first."""
    found = client.get_experiment_by_name(experiment)
    if found is None:
        names = [e.name for e in client.search_experiments()]
        raise ConfigError(
            f"there is no experiment {experiment} in the store{did_you_mean(experiment, names)}"
        )
    finished = client.search_runs([found.experiment_id], FINISHED, max_results=MOST_RUNS)
    runs = [run for run in finished if run.data.tags.get("kind") in KINDS]
    if not runs:
        raise ConfigError(f"the experiment {experiment} has no finished run")
    return sorted(runs, key=lambda run: int(run.info.start_time or 0))


def _differing_params(runs: Sequence[Run]) -> list[str]:
    """Return the params of which the runs that have them differ, in the order in which they come.

    Where a run lacks a param, another param says why, or the run is an evaluation.
    """
    values: dict[str, set[str]] = {}
    for run in runs:
        for name, value in run.data.params.items():
            values.setdefault(name, set()).add(value)
    return [name for name, found in values.items() if len(found) > 1]
