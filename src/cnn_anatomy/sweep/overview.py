"""What MLflow shows of a sweep's parent run: settings, data, best and worst means, verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from mlflow import MlflowClient
from mlflow.entities import Metric, Param

from cnn_anatomy.results.metrics import metric
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.study import Study

VARIED = ("variant", "seed")  # params of the children that the parent never has


def log_overview(
    client: MlflowClient, study: Study, sweep: Sweep, verdicts: Iterable[str] = ()
) -> None:
    """Log the overview of `sweep` to its parent run.

    | metric | meaning |
    |---|---|
    | `best/<metric>`, `worst/<metric>` | mean over seeds of the best and the worst variant |
    | `runs/planned`, `runs/finished` | number of runs |
    | `claims/<verdict>` | number of the study's claims with this verdict |

    The params are those that all runs share, and `best.variant`, by the table's first metric that
    ranks variants; the data sets are those of a run.

    Args:
        client: the store's client.
        study: the study.
        sweep: its sweep.
        verdicts: the verdict on each of its claims.
    """
    means = variant_means(study, sweep)
    metrics: dict[str, float] = {
        "runs/planned": len(sweep.runs),
        "runs/finished": len(sweep.finished),
    }
    metrics |= {f"claims/{word}": n for word, n in Counter(verdicts).items()}
    for name, ranked in means.items():
        variants = list(ranked)
        metrics |= {f"best/{name}": ranked[variants[0]], f"worst/{name}": ranked[variants[-1]]}
    params = shared_params(sweep)
    if means:
        params["best.variant"] = next(iter(next(iter(means.values()))))
    client.log_batch(
        sweep.parent,
        [Metric(name, value, 0, 0) for name, value in metrics.items()],
        [Param(name, value) for name, value in params.items()],
    )
    for run_id in sweep.finished.run_id[:1]:
        inputs = client.get_run(run_id).inputs
        if inputs is not None:
            client.log_inputs(sweep.parent, inputs.dataset_inputs)


def variant_means(study: Study, sweep: Sweep) -> dict[str, dict[str, float]]:
    """Return metric → variant → mean over its finished runs, the best variant first.

    Metrics by which no variant is best are left out.
    """
    means = {}
    for name in study.table.metrics:
        rank, column = metric(name).rank, f"metrics.{name}"
        if rank is None or column not in sweep.finished:
            continue
        by_variant = sweep.finished.groupby("variant", sort=False)[column].mean().dropna()
        best_first = sorted(by_variant.items(), key=lambda item: rank(item[1]))
        if best_first:
            means[name] = {str(variant): float(mean) for variant, mean in best_first}
    return means


def shared_params(sweep: Sweep) -> dict[str, str]:
    """Return the params that have the same value in every finished run."""
    runs = sweep.finished.filter(regex="^params\\.")
    names = [c for c in map(str, runs.columns) if runs[c].nunique(dropna=False) == 1]
    params = {c.removeprefix("params."): str(runs[c].iloc[0]) for c in names}
    return {name: value for name, value in params.items() if name not in VARIED}
