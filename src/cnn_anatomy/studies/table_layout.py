"""The layout of a study's table."""

from __future__ import annotations

from cnn_anatomy.studies.record import Names, Record


class Table(Record):
    """The layout of a study's table.

    Attributes:
        rows: the params that name a row.
        metrics: the columns.
        baseline: a variant; the first metric gets a column of paired differences to it.
    """

    rows: Names
    metrics: Names
    baseline: str | None = None
