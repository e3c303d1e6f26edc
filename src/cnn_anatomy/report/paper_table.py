"""A paper's published values beside ours."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import pandas as pd

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.report.figures import check_figures
from cnn_anatomy.report.table import Cell, ResultsTable, Row
from cnn_anatomy.results.agreement import rank_agreement
from cnn_anatomy.results.metrics import Metric, metric
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.paper import Paper


@dataclass(frozen=True)
class Measure:
    """A quantity that papers publish.

    Args:
        column: how it prints; published values are in its printed unit.
        metric: the metric that our runs log.
        convert: maps the metric's values to the quantity.
    """

    column: Metric
    metric: str
    convert: Callable[[pd.Series], pd.Series] = lambda values: values


MEASURES = {
    "error": Measure(Metric("error (%)", 100, 2), "test/accuracy", lambda values: 1 - values),
    "accuracy": Measure(Metric("accuracy (%)", 100, 2), "test/accuracy"),
    "consistency": Measure(Metric("shift consistency (%)", 100, 2), "consistency/shift"),
    "parameters": Measure(Metric("params (10⁶)", 1e-6, 3, exact=True), "params/total"),
    "macs": Measure(Metric("MACs (10⁹)", 1e-9, 3, exact=True), "macs"),
}


def check_paper(paper: Paper) -> None:
    """Check that every published quantity and every figure exists.

    Raises:
        ConfigError: if one does not, naming the choices.
    """
    for name in paper.published:
        if name not in MEASURES:
            raise ConfigError(
                f"{paper.name}: published.{name} is none of {', '.join(MEASURES)}"
                f"{did_you_mean(name, MEASURES)}"
            )
    check_figures(paper)


def build_paper_table(paper: Paper, sweep: Sweep) -> ResultsTable:
    """Return a row for each variant: published value, ours and the difference, then metrics."""
    measures = {name: MEASURES[name] for name in paper.published}
    heads, columns = [], []
    for name, measure in measures.items():
        label = measure.column.label
        heads += [f"{label}, published", f"{label}, ours", "difference"]
        columns += [f"{name} published", f"{name} ours", f"{name} difference"]
    heads += [metric(name).label for name in paper.table.metrics]
    columns += paper.table.metrics
    return ResultsTable(
        paper.name,
        paper.question,
        paper.table.rows,
        tuple(columns),
        tuple(heads),
        tuple(_row(paper, measures, sweep, variant) for variant in sweep.variants),
    )


def agreement(paper: Paper, sweep: Sweep) -> str:
    """Say how far our rows are in the published order, by quantity; empty if nothing says so."""
    found = []
    for name, published in paper.published.items():
        measure = MEASURES[name]
        ours = {v: measure.convert(sweep.values(v, measure.metric)) for v in sweep.variants}
        summary = rank_agreement(published, ours)
        if summary is not None and not measure.column.exact:
            seeds = "one seed" if summary.n == 1 else f"{summary.n} seeds"
            ends = (
                ""
                if summary.n == 1
                else f" [{max(summary.low, -1):.2f}, {min(summary.high, 1):.2f}]"
            )
            found.append(f"{name} {summary.mean:.2f}{ends} over {seeds}".replace("-", "−"))
    if not found:
        return ""
    return (
        "Rank correlation of our rows with the published ones (Spearman's; mean over seeds and its "
        f"95 % interval): {'; '.join(found)}."
    )


def _row(paper: Paper, measures: Mapping[str, Measure], sweep: Sweep, variant: str) -> Row:
    planned = sweep.runs[sweep.runs.variant == variant]
    finished = planned[planned.status == "FINISHED"]
    cells = []
    for name, measure in measures.items():
        value = paper.published[name].get(variant)
        published = [] if value is None else [value / measure.column.scale]
        ours = measure.convert(sweep.values(variant, measure.metric))
        differences = ours - published[0] if published else ours.iloc[:0]
        cells += [
            Cell(
                measure.column,
                pd.Series(published, dtype=float),
                approximate=variant in paper.approximate,
            ),
            Cell(measure.column, ours),
            Cell(measure.column, differences, signed=True),
        ]
    cells += [Cell(metric(name), sweep.values(variant, name)) for name in paper.table.metrics]
    return Row(variant, (variant,), tuple(cells), len(finished), len(planned))
