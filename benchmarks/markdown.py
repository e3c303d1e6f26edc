"""Tables of the benchmarks."""

from __future__ import annotations

from collections.abc import Sequence


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a Markdown table, its first column left-aligned, and an empty line."""
    head = ["| " + " | ".join(heads) + " |", "|---" + "|--:" * (len(heads) - 1) + "|"]
    return [*head, *("| " + " | ".join(row) + " |" for row in rows), ""]
