"""Ctrl-C, SIGTERM and SIGUSR2: the first stops the work cleanly, the second kills at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, TracebackType
from typing import Any

import psutil

KEPT = "what is done is kept, the same command goes on"
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)  # Slurm sends the last before walltime


class Stopped(BaseException):
    """Raised in the main thread, wherever it is, when the signal `args[0]` arrives.

    Not a KeyboardInterrupt, which Lightning turns into exit status 1 before it ignores Ctrl-C.
    """

    @property
    def status(self) -> int:
        """The exit status that shells expect after the signal, such as 130 or 143."""
        return 128 + int(self.args[0])

    @property
    def reason(self) -> str:
        """Why the run ended, for its tag `reason`."""
        number = signal.Signals(self.args[0])
        return f"stopped by {'Ctrl-C' if number == signal.SIGINT else number.name}"


class Stop:
    """A context manager in which the first of SIGNALS raises `Stopped`, once.

    Inside `held()` the exception waits for the end of the block, so that no cleanup is cut short.
    A second signal kills this process and its children at once. Contexts nest; only the outermost
    installs the handlers and restores the previous ones.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._depth = 0
        self._held = 0
        self._raised = False
        self._previous_handlers: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._depth += 1
            if self._depth == 1:
                self.number, self._held, self._raised = None, 0, False
                self._previous_handlers = {n: signal.signal(n, self._receive) for n in SIGNALS}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if threading.current_thread() is threading.main_thread():
            self._depth -= 1
            if self._depth == 0:
                for number, handler in self._previous_handlers.items():
                    signal.signal(number, handler)

    def retake(self) -> None:
        """Install the handlers again after other code has replaced them."""
        if self._depth and threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._receive)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Delay `Stopped` until the end of the block."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        self.check()

    def check(self) -> None:
        """Raise `Stopped` if a signal has arrived and nothing delays it."""
        if self.number is not None and not self._held and not self._raised:
            self._raised = True
            raise Stopped(self.number)

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.number is not None:
            for child in psutil.Process().children(recursive=True):
                child.kill()
            os._exit(128 + number)
        self.number = number
        self.check()


STOP = Stop()  # one per process, as signal handlers are
