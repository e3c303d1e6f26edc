"""A study's table, apart from how it is printed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cnn_anatomy.results.metrics import Metric, metric
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.statistics import Summary, summarise
from cnn_anatomy.studies.study import Study

BUDGET = 0.10


@dataclass(frozen=True)
class Cell:
    """A metric of a variant over its seeds; a hole has no summary.

    `best` of its column, or `tied` with it: the paired difference's 95 % interval holds zero.
    `marked`: a budget that differs from the baseline's by more than 10 %. `signed`: a difference.
    `approximate`: read off a figure.
    """

    metric: Metric
    values: pd.Series
    best: bool = False
    tied: bool = False
    marked: bool = False
    signed: bool = False
    approximate: bool = False

    @property
    def summary(self) -> Summary | None:
        """Return the seeds' mean and interval; None without any."""
        return summarise(self.values)

    @property
    def text(self) -> str:
        """Return `mean ± half of the 95 % interval`, the mean alone if it is exact or n is 1."""
        summary = self.summary
        if summary is None:
            return "–"
        mean = self.metric.text(summary.mean) + ("†" if self.marked else "")
        if self.signed and summary.mean >= 0:
            mean = f"+{mean}"
        if self.approximate:
            mean = f"≈ {mean}"
        if self.metric.exact or summary.n == 1:
            return mean
        return f"{mean} ± {self.metric.text(summary.high - summary.mean)}"


@dataclass(frozen=True)
class Row:
    """A variant: what names it, its metrics, and how many of its planned runs are finished."""

    variant: str
    labels: tuple[str, ...]
    cells: tuple[Cell, ...]
    n: int
    planned: int

    @property
    def count(self) -> str:
        """Return n, and of how many where some are missing."""
        return str(self.n) if self.n == self.planned else f"{self.n} of {self.planned}"


@dataclass(frozen=True)
class PaperTable:
    """Rows of one study, with the names of its columns: of the params, and of each cell."""

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
        """Return how the cells are read."""
        cells = [cell for row in self.rows for cell in row.cells]
        parts = ["Mean ± half of the 95 % interval (Student's t) over n seeds"]
        if any(c.best for c in cells):
            parts.append("the best of a column bold")
        if any(c.tied for c in cells):
            parts.append(
                "underlined what is tied with it (95 % interval of the paired difference holds 0)"
            )
        if self.baseline is not None:
            parts.append(f"Δ is the difference to {self.baseline}, paired by seed")
        if any(c.marked for c in cells):
            parts.append("† a budget more than 10 % off the baseline's")
        if any(c.approximate for c in cells):
            parts.append("≈ read off a figure, or uncertain")
        return "; ".join(parts) + "."

    @property
    def caption(self) -> str:
        """Return the question and how the cells are read."""
        return f"{self.question} {self.note}"


def build(study: Study, sweep: Sweep) -> PaperTable:
    """Build the table that `study` asks for.

    Raises:
        ConfigError: if it asks for a metric that no table knows.
    """
    columns, names = study.table.metrics, study.table.rows
    rows = [_row(study, sweep, variant) for variant in sweep.variants]
    held = next((row for row in rows if row.variant == study.table.baseline), None)
    rows = _mark_best(rows)
    heads = [metric(name).label for name in columns]
    if held is not None and columns:
        rows = [_hold(row, held) for row in rows]
        columns = (columns[0], f"{columns[0]} difference", *columns[1:])
        heads.insert(1, "Δ")
    baseline = None if held is None else held.variant
    return PaperTable(
        study.name, study.question, names, columns, tuple(heads), tuple(rows), baseline
    )


def _row(study: Study, sweep: Sweep, variant: str) -> Row:
    planned = sweep.runs[sweep.runs.variant == variant]
    done = planned[planned.status == "FINISHED"]
    cells = []
    for name in study.table.metrics:
        column = f"metrics.{name}"
        values = done[column] if column in done else pd.Series(np.nan, index=done.index)
        cells.append(Cell(metric(name), values.astype(float).set_axis(done.seed)))
    labels = tuple(_label(planned, name) for name in study.table.rows)
    return Row(variant, labels, tuple(cells), len(done), len(planned))


def _label(planned: pd.DataFrame, name: str) -> str:
    """Return a param's value, from the plan's overrides where no run is finished to tell."""
    if name == "variant":
        return str(planned.variant.iloc[0])
    column = f"params.{name}"
    if column in planned and planned[column].notna().any():
        return str(planned[column].dropna().iloc[0])
    given = dict(o.split("=", 1) for o in planned.overrides.iloc[0] if "=" in o)
    return given.get(name, "–")


def _hold(row: Row, baseline: Row) -> Row:
    """Put the first metric's difference to the baseline after it, and mark other budgets."""
    cells = [
        replace(cell, marked=_off(cell, held))
        for cell, held in zip(row.cells, baseline.cells, strict=True)
    ]
    first, held = row.cells[0], baseline.cells[0]
    apart = first.values - held.values
    if row.variant == baseline.variant:
        apart = apart.iloc[:0]
    cells.insert(1, Cell(first.metric, apart, signed=True))
    return replace(row, cells=tuple(cells))


def _off(cell: Cell, held: Cell) -> bool:
    if not cell.metric.budget or cell.summary is None or held.summary is None:
        return False
    return abs(cell.summary.mean - held.summary.mean) > BUDGET * abs(held.summary.mean)


def _mark_best(rows: Sequence[Row]) -> list[Row]:
    columns = list(zip(*(row.cells for row in rows), strict=True))
    marked = [_best(column) for column in columns]
    return [replace(row, cells=tuple(c[i] for c in marked)) for i, row in enumerate(rows)]


def _best(column: Sequence[Cell]) -> list[Cell]:
    """Mark the best means of a column as printed, and their ties; none where all are alike."""
    rank = column[0].metric.rank
    means = [math.nan if c.summary is None else c.summary.mean for c in column]
    shown = [c.metric.text(mean) for c, mean in zip(column, means, strict=True)]
    if rank is None or len({t for t, m in zip(shown, means, strict=True) if m == m}) < 2:
        return list(column)
    first = int(np.nanargmin([math.nan if m != m else rank(m) for m in means]))
    best = [text == shown[first] for text in shown]
    return [
        replace(c, best=b, tied=not b and _tied(c, column[first], rank))
        for c, b in zip(column, best, strict=True)
    ]


def _tied(cell: Cell, best: Cell, rank: object) -> bool:
    """Return whether the ranks' paired difference over at least two seeds may be zero."""
    assert callable(rank)
    apart = summarise(cell.values.map(rank) - best.values.map(rank))
    return apart is not None and apart.n > 1 and bool(apart.low <= 0 <= apart.high)
