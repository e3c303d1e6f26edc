"""Which process is which, whatever happens to the machine's clock."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import psutil

PROC = Path("/proc")
STATE, START_TICKS = 0, 19  # places in /proc/<pid>/stat after the command's closing bracket
ENDED = ("Z", "X")  # states of a process that runs no more: zombie, dead


def process_start(pid: int) -> str | None:
    """Return a text that no other process with this number ever has, None if there is none.

    On Linux it is the id of the machine's boot and the kernel's ticks from there to the start of
    the process, as `psutil` reckons the time of day from a clock that may be set. A zombie is none.
    """
    if (PROC / "self" / "stat").exists():
        return _linux_start(pid)
    try:
        process = psutil.Process(pid)
        if process.status() == psutil.STATUS_ZOMBIE:
            return None
        return f"{process.create_time():.0f}"
    except psutil.NoSuchProcess:
        return None


def _linux_start(pid: int) -> str | None:
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()  # the command before it may hold spaces and brackets
    return None if fields[STATE] in ENDED else f"{_boot()}:{fields[START_TICKS]}"


@cache
def _boot() -> str:
    return (PROC / "sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
