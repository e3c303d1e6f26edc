"""Files that are there whole or not at all."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield another path in the folder of `path`, made, and rename it to `path` at the end.

    Several processes may do so at once: each has a path of its own. An error leaves `path` as it
    was and nothing beside it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f"{path.name}.{os.getpid()}-{time.time_ns()}.part")
    try:
        yield part
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace the contents of `path` by `text` in UTF-8, making its folder if needed."""
    with replacing(path) as part:
        part.write_text(text, encoding="utf-8")
