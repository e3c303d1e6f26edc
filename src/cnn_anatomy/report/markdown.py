"""Markdown tables."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def markdown_table(
    header: Sequence[str], rows: Iterable[Sequence[str]], *, left: int | None = None
) -> str:
    """Return a GitHub-flavoured Markdown table that ends with a newline.

    Cells hold Markdown; pipes and line breaks in them are escaped.

    Args:
        header: head of every column.
        rows: the cells of every row.
        left: number of leading columns aligned left, the others are aligned right; by default all
            are aligned left.
    """
    left = len(header) if left is None else left
    rule = ["---"] * left + ["--:"] * (len(header) - left)
    return "".join(f"{markdown_row(cells)}\n" for cells in (header, rule, *rows))


def markdown_row(cells: Iterable[str]) -> str:
    """Return one line of a Markdown table, without line break."""
    return f"| {' | '.join(map(_escaped, cells))} |"


def escape_html(text: str) -> str:
    """Return `text` so that Markdown does not read its `<` as HTML."""
    return text.replace("<", "&lt;")


def _escaped(cell: str) -> str:
    return cell.replace("|", r"\|").replace("\n", "<br>")
