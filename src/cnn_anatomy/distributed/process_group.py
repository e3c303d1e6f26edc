"""The ranks that train one network: which one this process is, and what they exchange.

A rank reads its number and the world size from torchrun's environment variables. Rank zero alone
records the run in MLflow, prints and writes files.
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

from cnn_anatomy.distributed import peers

if TYPE_CHECKING:
    from torch import Tensor

EXCHANGE_TIMEOUT = timedelta(hours=1)  # another rank may wait for a server or a lock
RANK_ZERO_GRACE_SECONDS = 10.0  # for rank zero to meet the same error and record it in MLflow
T = TypeVar("T")


def rank() -> int:
    """Return the number of this process among those that train together, from zero."""
    return int(os.environ.get("RANK", 0))


def world_size() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", 1))


@contextmanager
def process_group() -> Iterator[None]:
    """Join the other ranks, if there are any, and leave them at the end.

    An error in the block is reported to the supervisor of the ranks.

    Raises:
        PeerLost: if another rank ends.
    """
    if world_size() == 1:
        yield
        return
    from torch import distributed

    _exit_with_parent()
    distributed.init_process_group(timeout=EXCHANGE_TIMEOUT)
    with peers.watched(all_gather(peers.process_identity())):
        try:
            yield
        except Exception as error:
            _report(error)
            await_rank_zero()
            raise
    distributed.destroy_process_group()


@peers.peer_loss_recognised()
def broadcast(value: T) -> T:
    """Return rank zero's `value` on every rank."""
    if world_size() == 1:
        return value
    from torch import distributed

    holder = [value]
    distributed.broadcast_object_list(holder, src=0)
    return holder[0]


def barrier() -> None:
    """Wait until every rank has come here."""
    broadcast(None)


@peers.peer_loss_recognised()
def all_gather(value: T) -> list[T]:
    """Return every rank's `value`, in the order of the ranks."""
    if world_size() == 1:
        return [value]
    from torch import distributed

    values: list[Any] = [None] * world_size()
    distributed.all_gather_object(values, value)
    return values


@peers.peer_loss_recognised()
def average(tensors: Sequence[Tensor]) -> None:
    """Replace each of `tensors` by its mean over the ranks."""
    if world_size() == 1 or not tensors:
        return
    import torch
    from torch import distributed

    flat = torch.cat([t.detach().reshape(-1) for t in tensors])
    distributed.all_reduce(flat)
    flat /= world_size()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.detach().copy_(mean.reshape(tensor.shape))


def await_rank_zero() -> None:
    """Wait before this rank fails, unless it is rank zero.

    The supervisor ends every rank as soon as one has failed, but only rank zero records and prints
    the error, if it meets the same one.
    """
    if rank() > 0:
        time.sleep(RANK_ZERO_GRACE_SECONDS)


def _report(error: Exception) -> None:
    """Write the error where torchrun, or `launch`, reads it."""
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    get_error_handler().record_exception(error)


def _exit_with_parent() -> None:
    """Send this process SIGTERM when its parent dies."""
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()
