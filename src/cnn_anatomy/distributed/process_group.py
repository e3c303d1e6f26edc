"""The group of processes that train one network: who this one is, and what they exchange.

Each has a rank and knows how many there are from torchrun's environment variables. Rank zero
alone keeps the run: it opens it in MLflow, prints and writes.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from torch import Tensor

EXCHANGE_TIMEOUT = timedelta(hours=1)  # another rank may wait for a server or a lock
T = TypeVar("T")


def rank() -> int:
    """Return which of the processes this one is, from zero."""
    return int(os.environ.get("RANK", 0))


def world() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", 1))


@contextmanager
def connected() -> Iterator[None]:
    """Join the other processes, if there are any, and leave them at the end."""
    if world() == 1:
        yield
        return
    from torch import distributed

    _follow_parent()
    distributed.init_process_group(timeout=EXCHANGE_TIMEOUT)
    yield
    distributed.destroy_process_group()


def shared(value: T) -> T:
    """Return rank zero's `value` on every rank, once all have come here."""
    if world() == 1:
        return value
    from torch import distributed

    held = [value]
    distributed.broadcast_object_list(held, src=0)
    return held[0]


def gathered(value: T) -> list[T]:
    """Return the `value` of every rank, in order."""
    if world() == 1:
        return [value]
    from torch import distributed

    held: list[Any] = [None] * world()
    distributed.all_gather_object(held, value)
    return held


def average(tensors: Sequence[Tensor]) -> None:
    """Replace each of `tensors` by its mean over the ranks."""
    if world() == 1 or not tensors:
        return
    import torch
    from torch import distributed

    flat = torch.cat([t.detach().reshape(-1) for t in tensors])
    distributed.all_reduce(flat)
    flat /= world()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.detach().copy_(mean.reshape(tensor.shape))


def _follow_parent() -> None:
    """Have this process stopped when the one that started it is gone: nobody would, else."""
    parent = os.getppid()

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()
