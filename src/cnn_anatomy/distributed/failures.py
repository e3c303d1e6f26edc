"""What becomes of the other processes when one of them fails."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager

from cnn_anatomy.core.interrupts import Stopped
from cnn_anatomy.distributed.process_group import rank, world

RANK_ZERO_GRACE_SECONDS = 10.0  # for rank zero to fail at the same error, which it then reports


class Lost(Stopped):
    """Raised where a rank was when another rank ended; the run can go on from its checkpoint."""

    status = 1
    reason = "another of its processes ended"


@contextmanager
def together() -> Iterator[None]:
    """Tell what fails here from what fails because another rank has ended.

    Raises:
        Lost: if it is that.
    """
    try:
        yield
    except Exception as error:
        if world() == 1:
            raise
        if _is_echo(error):
            raise Lost(signal.SIGTERM) from error
        if _record(error) and rank() > 0:
            time.sleep(
                RANK_ZERO_GRACE_SECONDS
            )  # rank zero, which can tell it, most likely fails at the same
        raise


def _record(error: Exception) -> bool:
    """Leave word of `error` for whoever supervises the processes; return False if it was left."""
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    if hasattr(error, "recorded"):
        return False
    error.recorded = True  # type: ignore[attr-defined]
    get_error_handler().record_exception(error)
    return True


def _is_echo(error: Exception) -> bool:
    """Return whether `error` is that of an exchange with another rank which is no more."""
    from torch import distributed

    return isinstance(error, distributed.DistError) or "gloo" in str(error)
