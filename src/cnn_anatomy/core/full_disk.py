"""Errors of a full disk, by which a run is interrupted and not lost."""

from __future__ import annotations

import errno
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cnn_anatomy.core.interrupts import KEPT

NUMBERS = {errno.ENOSPC, errno.EDQUOT}
LITTLE_BYTES = 1 << 16  # what is left of a full disk may be less than a block that is written


def is_full_disk(error: BaseException | None) -> bool:
    """Return whether an error, or one that it reports, says that no space is left."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in NUMBERS:
            return True
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
    return False


def full_disk_sentence(error: BaseException) -> str:
    """Return what to do about an error for which `is_full_disk` is true."""
    named = getattr(error, "filename", None)
    place = f" for {named}" if named else ""
    return f"no space is left on the disk{place}: make room; {KEPT}"


@contextmanager
def full_disk_named(file: Path) -> Iterator[None]:
    """Turn an error of the block, which writes `file`, into an OSError if the disk is full.

    PyTorch's writer raises a RuntimeError that does not tell.
    """
    try:
        yield
    except (OSError, RuntimeError) as error:
        if is_full_disk(error) or shutil.disk_usage(file.parent).free < LITTLE_BYTES:
            raise OSError(errno.ENOSPC, "No space left on device", str(file)) from error
        raise
