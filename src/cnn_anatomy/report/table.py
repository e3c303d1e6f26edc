"""A study's results as rows and cells, apart from how they are printed."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cnn_anatomy.results.metrics import Metric, metric
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.statistics import Summary, independent_sum, mean_difference, summarise
from cnn_anatomy.studies.study import Study

BUDGET_TOLERANCE = 0.10  # relative difference from the baseline beyond which a budget is marked


@dataclass(frozen=True)
class Cell:
    """A metric of one variant over its seeds.

    Args:
        metric: how it prints.
        values: by seed, as logged; none makes an empty cell.
        best: whether the mean is the best of its column, as printed.
        tied: whether the 95 % interval of the difference from the best holds no difference that
            matters to the study's claims.
        off_budget: whether it is a budget that differs from the baseline's by BUDGET_TOLERANCE.
        baseline: values that the mean is printed as a difference from.
        signed: whether it is a difference, printed with its sign.
        approximate: whether it was read off a figure.
    """

    metric: Metric
    values: pd.Series
    best: bool = False
    tied: bool = False
    off_budget: bool = False
    baseline: pd.Series | None = None
    signed: bool = False
    approximate: bool = False

    @property
    def summary(self) -> Summary | None:
        """Return mean and interval over the seeds; None without any value."""
        if self.baseline is None:
            return summarise(self.values)
        return mean_difference(self.values, self.baseline)

    @property
    def text(self) -> str:
        """Return `mean ± half-width of the 95 % interval`; the mean alone if exact or n is 1."""
        summary = self.summary
        if summary is None:
            return "–"
        mean = self.metric.text(summary.mean) + ("†" if self.off_budget else "")
        if self.signed and summary.mean >= 0:
            mean = f"+{mean}"
        if self.approximate:
            mean = f"≈ {mean}"
        if self.metric.exact or summary.n == 1:
            return mean
        return f"{mean} ± {self.metric.text(summary.high - summary.mean)}"


@dataclass(frozen=True)
class Row:
    """One variant: its labels, its cells, and how many of its planned runs are finished."""

    variant: str
    labels: tuple[str, ...]
    cells: tuple[Cell, ...]
    n: int
    planned: int

    @property
    def count(self) -> str:
        """Return `n`, or `n of planned` if runs are missing."""
        return str(self.n) if self.n == self.planned else f"{self.n} of {self.planned}"


@dataclass(frozen=True)
class ResultsTable:
    """The rows of one study or paper.

    Args:
        study: its name.
        question: its question or title.
        labels: heads of the label columns, which are names of params.
        columns: names of the cell columns in a CSV file.
        heads: their heads elsewhere.
        rows: one for each variant.
        baseline: the variant that differences are from, if there is one.
    """

    study: str
    question: str
    labels: tuple[str, ...]
    columns: tuple[str, ...]
    heads: tuple[str, ...]
    rows: tuple[Row, ...]
    baseline: str | None = None

    @property
    def header(self) -> list[str]:
        """Return the heads of all columns."""
        return [*self.labels, *self.heads, "n"]

    @property
    def note(self) -> str:
        """Explain the notation that the cells use."""
        cells = [cell for row in self.rows for cell in row.cells]
        parts = ["Mean ± half-width of the 95 % interval (Student's t) over n seeds"]
        if any(c.best for c in cells):
            parts.append("bold: best of a column")
        if any(c.tied for c in cells):
            parts.append(
                "underlined: tied with the best (the 95 % interval of the difference, Welch's, "
                "holds none that matters to the study's claims)"
            )
        if self.baseline is not None:
            parts.append(f"Δ: difference from {self.baseline}, with Welch's interval")
        if any(c.off_budget for c in cells):
            parts.append(f"†: a budget over {100 * BUDGET_TOLERANCE:.0f} % off the baseline's")
        if any(c.approximate for c in cells):
            parts.append("≈ read off a figure, or uncertain")
        return "; ".join(parts) + "."

    @property
    def caption(self) -> str:
        """Return the question and the note."""
        return f"{self.question} {self.note}"


def build_study_table(study: Study, sweep: Sweep) -> ResultsTable:
    """Build the table that `study` asks for.

    Raises:
        ConfigError: if it asks for an unknown metric.
    """
    columns, labels = study.table.metrics, study.labels
    rows = [_row(study, sweep, variant) for variant in sweep.variants]
    baseline = next((row for row in rows if row.variant == study.table.baseline), None)
    rows = _mark_best(rows, [_matters(study, name) for name in columns])
    heads = [metric(name).label for name in columns]
    if baseline is not None and columns:
        rows = [_compared(row, baseline) for row in rows]
        columns = (columns[0], f"{columns[0]} difference", *columns[1:])
        heads.insert(1, "Δ")
    return ResultsTable(
        study.name,
        study.question,
        labels,
        columns,
        tuple(heads),
        tuple(rows),
        None if baseline is None else baseline.variant,
    )


def _row(study: Study, sweep: Sweep, variant: str) -> Row:
    planned = sweep.runs[sweep.runs.variant == variant]
    finished = planned[planned.status == "FINISHED"]
    cells = []
    for name in study.table.metrics:
        column = f"metrics.{name}"
        values = finished.get(column, pd.Series(np.nan, index=finished.index))
        cells.append(Cell(metric(name), values.astype(float).set_axis(finished.seed)))
    labels = tuple(row_label(planned, name) for name in study.labels)
    return Row(variant, labels, tuple(cells), len(finished), len(planned))


def row_label(planned: pd.DataFrame, name: str) -> str:
    """Return a param of a variant's runs, from the plan's overrides if none is finished."""
    if name == "variant":
        return str(planned.variant.iloc[0])
    column = f"params.{name}"
    if column in planned and planned[column].notna().any():
        return str(planned[column].dropna().iloc[0])
    overrides = dict(o.split("=", 1) for o in planned.overrides.iloc[0] if "=" in o)
    return overrides.get(name, "–")


def _compared(row: Row, baseline: Row) -> Row:
    """Insert the first metric's difference from the baseline, and mark differing budgets."""
    cells = [
        replace(cell, off_budget=_is_off_budget(cell, reference))
        for cell, reference in zip(row.cells, baseline.cells, strict=True)
    ]
    first, reference = row.cells[0], baseline.cells[0]
    values = first.values.iloc[:0] if row.variant == baseline.variant else first.values
    cells.insert(1, Cell(first.metric, values, baseline=reference.values, signed=True))
    return replace(row, cells=tuple(cells))


def _is_off_budget(cell: Cell, reference: Cell) -> bool:
    summary, other = cell.summary, reference.summary
    if not cell.metric.budget or summary is None or other is None:
        return False
    return abs(summary.mean - other.mean) > BUDGET_TOLERANCE * abs(other.mean)


def _matters(study: Study, name: str) -> float:
    """Return the smallest difference of a metric that matters to a claim; 0 without any claim."""
    return min((c.matters for c in study.claims if c.metric == name), default=0)


def _mark_best(rows: Sequence[Row], matters: Sequence[float]) -> list[Row]:
    columns = zip(*(row.cells for row in rows), strict=True)
    marked = [_best(column, bound) for column, bound in zip(columns, matters, strict=True)]
    return [replace(row, cells=tuple(c[i] for c in marked)) for i, row in enumerate(rows)]


def _best(column: Sequence[Cell], matters: float) -> list[Cell]:
    """Mark the best means of a column, as printed, and their ties; none if all print alike."""
    rank = column[0].metric.rank
    means = [math.nan if c.summary is None else c.summary.mean for c in column]
    printed = [c.metric.text(mean) for c, mean in zip(column, means, strict=True)]
    different = {text for text, mean in zip(printed, means, strict=True) if not math.isnan(mean)}
    if rank is None or len(different) < 2:
        return list(column)
    first = int(np.nanargmin([math.nan if math.isnan(m) else rank(m) for m in means]))
    best = [text == printed[first] for text in printed]
    return [
        replace(c, best=b, tied=not b and _is_tied(c, column[first], rank, matters))
        for c, b in zip(column, best, strict=True)
    ]


def _is_tied(cell: Cell, best: Cell, rank: Callable[[float], float], matters: float) -> bool:
    """Return whether the interval of the difference of ranks lies between −matters and matters."""
    difference = independent_sum([cell.values.map(rank), best.values.map(rank)], [1, -1])
    if difference is None:
        return False
    low, high = difference.interval()
    return -matters < low and high < matters
