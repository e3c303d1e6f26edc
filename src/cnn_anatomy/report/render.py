"""A table as Markdown, LaTeX, CSV, HTML and for the terminal."""

from __future__ import annotations

import csv
import io
import re

import rich.table
from jinja2 import Environment, PackageLoader, StrictUndefined
from rich.console import Console
from rich.text import Text

from cnn_anatomy.report.table import Cell, PaperTable, Row

LATEX = {
    **{c: f"\\{c}" for c in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "±": r"$\pm$",
    "−": r"$-$",
    "×": r"$\times$",
    "–": "--",
    "…": r"\ldots{}",
    "†": r"$^\dagger$",
    "Δ": r"$\Delta$",
    "→": r"$\rightarrow$",
    "≈": r"$\approx$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "—": "---",
    "’": "'",
    "<": r"$<$",
    ">": r"$>$",
}
TEMPLATES = Environment(
    loader=PackageLoader("cnn_anatomy.report"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
POWERS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")


def markdown(table: PaperTable) -> str:
    """Return a GitHub table."""
    left = len(table.labels)
    lines = [_pipes([_piped(h) for h in table.header])]
    lines.append(_pipes(["---"] * left + ["--:"] * (len(table.header) - left)))
    for row in table.rows:
        cells = [_emphasised(c, "**{}**", "<ins>{}</ins>", c.text) for c in row.cells]
        lines.append(_pipes([*map(_piped, row.labels), *cells, row.count]))
    return "\n".join(lines) + "\n"


def latex(table: PaperTable) -> str:
    """Return a `table` environment for the booktabs package."""
    columns = "l" * len(table.labels) + "r" * (len(table.heads) + 1)
    body = []
    for row in table.rows:
        cells = [
            _emphasised(c, r"\textbf{{{}}}", r"\underline{{{}}}", tex(c.text)) for c in row.cells
        ]
        body.append(" & ".join([*map(tex, row.labels), *cells, tex(row.count)]) + r" \\")
    return "\n".join(
        [
            r"% \usepackage{booktabs,graphicx}",
            r"\begin{table}",
            r"  \centering",
            rf"  \caption{{{tex(table.caption)}}}",
            rf"  \label{{tab:{table.study}}}",
            r"  \resizebox{\ifdim\width>\linewidth\linewidth\else\width\fi}{!}{%",
            rf"  \begin{{tabular}}{{{columns}}}",
            r"    \toprule",
            "    " + " & ".join(map(tex, table.header)) + r" \\",
            r"    \midrule",
            *(f"    {line}" for line in body),
            r"    \bottomrule",
            r"  \end{tabular}}",
            r"\end{table}",
            "",
        ]
    )


def comma_separated(table: PaperTable) -> str:
    """Return a CSV file in the metrics' own units: mean, deviation, 95 % interval and n of each."""
    file = io.StringIO()
    writer = csv.writer(file, lineterminator="\n")
    parts = ("mean", "std", "low", "high", "n")
    writer.writerow([*table.labels, *(f"{m} {p}" for m in table.columns for p in parts)])
    for row in table.rows:
        values: list[object] = []
        for cell in row.cells:
            s = cell.summary
            values += [""] * len(parts) if s is None else [s.mean, s.std, s.low, s.high, s.n]
        writer.writerow([*row.labels, *values])
    return file.getvalue()


def html(table: PaperTable) -> str:
    """Return a `<table>`, all of it escaped."""
    return TEMPLATES.get_template("table.html").render(table=table)


def terminal(table: PaperTable) -> rich.table.Table:
    """Return a table that rich prints."""
    shown = rich.table.Table(title=f"{table.study}: {table.caption}", title_justify="left")
    rows = [_terminal_cells(row) for row in table.rows]
    for i, head in enumerate(table.header):
        widest = max(row[i].cell_len for row in rows)
        shown.add_column(
            head, justify="left" if i < len(table.labels) else "right", min_width=widest
        )
    for cells in rows:
        shown.add_row(*cells)
    return shown


def show(table: PaperTable) -> None:
    """Print a table; where there is no terminal to ask, 140 columns wide."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(terminal(table))


def tex(text: str) -> str:
    """Return `text` with what LaTeX would not print escaped."""
    text = "".join(LATEX.get(c, c) for c in text)
    return re.sub("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+", lambda m: f"$^{{{m[0].translate(POWERS)}}}$", text)


def _terminal_cells(row: Row) -> list[Text]:
    cells = [Text(c.text, style=_emphasised(c, "bold", "underline", "")) for c in row.cells]
    return [*map(Text, row.labels), *cells, Text(row.count)]


def _emphasised(cell: Cell, best: str, tied: str, text: str) -> str:
    """Return `text` in the form for the best, or for what is tied with it."""
    form = best if cell.best else tied if cell.tied else "{}"
    return form.format(text)


def _pipes(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _piped(text: str) -> str:
    return text.replace("|", r"\|").replace("<", "&lt;")
