"""A study's table, apart from how it is printed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from cnn_anatomy.results.metrics import Metric, metric
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.statistics import Summary, summarise
from cnn_anatomy.studies import Study


@dataclass(frozen=True)
class Cell:
    """A metric of a variant over its seeds; a hole has no summary."""

    metric: Metric
    summary: Summary | None
    best: bool = False

    @property
    def text(self) -> str:
        """Return `mean ± standard deviation`, the mean alone if it is exact or n is 1."""
        if self.summary is None:
            return "–"
        mean = self.metric.text(self.summary.mean)
        if self.metric.exact or self.summary.n == 1:
            return mean
        return f"{mean} ± {self.metric.text(self.summary.std)}"


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
    """Rows of one study, with the names of its columns."""

    study: str
    caption: str
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def header(self) -> list[str]:
        """Return the heads of all columns."""
        return [*self.labels, *(metric(m).label for m in self.metrics), "n"]


def build(study: Study, sweep: Sweep) -> PaperTable:
    """Build the table that `study` asks for.

    Raises:
        ConfigError: if it asks for a metric that no table knows.
    """
    rows = [_row(study, sweep, variant) for variant in sweep.variants]
    caption = f"{study.question} Mean ± standard deviation over n seeds; the best of a column bold."
    return PaperTable(
        study.name, caption, study.table.rows, study.table.metrics, tuple(_mark_best(rows))
    )


def _row(study: Study, sweep: Sweep, variant: str) -> Row:
    planned = sweep.runs[sweep.runs.variant == variant]
    done = planned[planned.status == "FINISHED"]
    cells = []
    for name in study.table.metrics:
        kind, column = metric(name), f"metrics.{name}"
        values = done[column] if column in done else pd.Series(dtype=float)
        cells.append(Cell(kind, summarise(values)))
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


def _mark_best(rows: Sequence[Row]) -> list[Row]:
    columns = list(zip(*(row.cells for row in rows), strict=True))
    marked = [_best(column) for column in columns]
    return [replace(row, cells=tuple(c[i] for c in marked)) for i, row in enumerate(rows)]


def _best(column: Sequence[Cell]) -> list[Cell]:
    """Mark the best means of a column as printed; none where all are alike."""
    there = [c for c in column if c.summary is not None]
    rank = column[0].metric.rank
    shown = {c.metric.text(c.summary.mean) for c in there if c.summary}
    if rank is None or len(shown) < 2:
        return list(column)
    ranks = [np.inf if c.summary is None else rank(c.summary.mean) for c in column]
    first = column[int(np.argmin(ranks))]
    assert first.summary is not None
    text = first.metric.text(first.summary.mean)
    return [
        replace(c, best=c.summary is not None and c.metric.text(c.summary.mean) == text)
        for c in column
    ]
