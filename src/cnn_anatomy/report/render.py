"""A results table as Markdown, LaTeX, CSV, HTML and on the terminal."""

from __future__ import annotations

import csv
import io

import rich.table
from rich.console import Console
from rich.text import Text

from cnn_anatomy.report.markdown import escape_html, markdown_table
from cnn_anatomy.report.table import Cell, ResultsTable, Row
from cnn_anatomy.report.templating import escape_latex, render_template

SUMMARY = ("mean", "std", "low", "high", "n")
PIPE_COLUMNS = 140  # width of a table that is printed to a file or a pipe


def to_markdown(table: ResultsTable) -> str:
    """Return a GitHub-flavoured Markdown table."""
    rows = [
        [
            *map(escape_html, row.labels),
            *(_emphasised(cell, "**{}**", "<ins>{}</ins>", cell.text) for cell in row.cells),
            row.count,
        ]
        for row in table.rows
    ]
    return markdown_table(list(map(escape_html, table.header)), rows, left=len(table.labels))


def to_latex(table: ResultsTable) -> str:
    """Return a `table` environment that needs the packages booktabs and graphicx."""
    rows = [
        [
            *map(escape_latex, row.labels),
            *(
                _emphasised(c, r"\textbf{{{}}}", r"\underline{{{}}}", escape_latex(c.text))
                for c in row.cells
            ),
            escape_latex(row.count),
        ]
        for row in table.rows
    ]
    return render_template("table.tex.jinja", table=table, rows=rows)


def to_csv(table: ResultsTable) -> str:
    """Return a CSV file of every metric's mean, deviation, 95 % interval and n, not scaled."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow([*table.labels, *(f"{m} {part}" for m in table.columns for part in SUMMARY)])
    for row in table.rows:
        summaries = [cell.summary for cell in row.cells]
        values = [getattr(s, part) if s else "" for s in summaries for part in SUMMARY]
        writer.writerow([*row.labels, *values])
    return file.getvalue()


def to_html(table: ResultsTable) -> str:
    """Return a `<table>` element."""
    return render_template("table.html.jinja", table=table)


def print_table(table: ResultsTable) -> None:
    """Print a results table."""
    print_rich(_to_rich(table))


def print_rich(table: rich.table.Table) -> None:
    """Print to the terminal, or PIPE_COLUMNS wide where there is none."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=PIPE_COLUMNS)
    console.print(table)


def _to_rich(table: ResultsTable) -> rich.table.Table:
    printed = rich.table.Table(title=f"{table.study}: {table.caption}", title_justify="left")
    rows = [_rich_cells(row) for row in table.rows]
    for i, head in enumerate(table.header):
        printed.add_column(
            head,
            justify="left" if i < len(table.labels) else "right",
            min_width=max(row[i].cell_len for row in rows),
        )
    for cells in rows:
        printed.add_row(*cells)
    return printed


def _rich_cells(row: Row) -> list[Text]:
    cells = [Text(c.text, style=_emphasised(c, "bold", "underline", "")) for c in row.cells]
    return [*map(Text, row.labels), *cells, Text(row.count)]


def _emphasised(cell: Cell, best: str, tied: str, text: str) -> str:
    """Format `text` with `best` or `tied` if the cell is so; else return it unchanged."""
    form = best if cell.best else tied if cell.tied else "{}"
    return form.format(text)
