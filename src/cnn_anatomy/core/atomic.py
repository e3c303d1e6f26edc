"""Atomic writes: a file has its old content or its new content, never part of it."""

from __future__ import annotations

import glob
import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def atomic_write(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path` to write to; rename it to `path` on success.

    Creates the folder. Concurrent writers do not disturb each other, since each gets a temporary
    path of its own; the last rename wins. On an error `path` keeps its old content and the
    temporary file is deleted, as are those that killed writers of this host have left.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = f"{path.name}.{platform.node()}"
    for left in path.parent.glob(f"{glob.escape(writer)}.*.part"):
        if not psutil.pid_exists(int(left.name.removeprefix(writer).split(".")[1])):
            left.unlink(missing_ok=True)
    temporary = path.with_name(f"{writer}.{os.getpid()}.{time.time_ns()}.part")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Replace the contents of `path` by `text` in UTF-8, making its folder if needed."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
