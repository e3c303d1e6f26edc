"""The other ranks of a run: how the end of one of them shows in the rest."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import psutil

from cnn_anatomy.core.interrupts import Stopped

PEER_EXIT_SECONDS = 3.0  # a process closes its connections before it has quite ended
POLL_SECONDS = 0.05

Identity = tuple[int, float]  # of a process: its id and the time of its creation


class PeerLost(Stopped):
    """Raised where a rank is when another rank has ended; the run resumes from its checkpoint."""

    status = 1
    reason = "another of its processes ended"


_peers: list[psutil.Process] = []  # on this machine


def process_identity() -> Identity:
    """Return what tells this process from all others."""
    return os.getpid(), psutil.Process().create_time()


@contextmanager
def watched(identities: Iterable[Identity]) -> Iterator[None]:
    """Watch the other ranks' processes, those on this machine, until the end of the block."""
    for number, created in identities:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(number)
            if number != os.getpid() and process.create_time() == created:
                _peers.append(process)
    try:
        yield
    finally:
        _peers.clear()


@contextmanager
def peer_loss_recognised() -> Iterator[None]:
    """Raise PeerLost in place of an error that another rank's end has caused.

    Gloo raises a plain RuntimeError whatever fails, and in DDP's backward pass autograd does, so
    the other ranks' processes decide: has one of them ended? NCCL has an error type of its own.
    """
    try:
        yield
    except RuntimeError as error:
        if _raised_by_nccl(error) or (type(error) is RuntimeError and _peer_ends()):
            raise PeerLost(signal.SIGTERM) from error
        raise


def _raised_by_nccl(error: RuntimeError) -> bool:
    from torch import distributed

    return isinstance(error, distributed.DistError)


def _peer_ends() -> bool:
    """Return whether another rank has ended, or does so within PEER_EXIT_SECONDS."""
    deadline = time.monotonic() + PEER_EXIT_SECONDS
    while _peers:
        if not all(map(_is_alive, _peers)):
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return False


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
