"""Lines that inform a user without stopping anything."""

from __future__ import annotations

import sys

_printed: set[str] = set()


def notice(text: str) -> None:
    """Print `text` to standard error, once a process."""
    if text not in _printed:
        _printed.add(text)
        print(text, file=sys.stderr, flush=True)
