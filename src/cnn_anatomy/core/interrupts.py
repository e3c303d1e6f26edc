"""Ctrl-C, SIGTERM and SIGUSR2: the first ends the work cleanly, the second at once."""

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
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR2)  # the last: walltime is nearly over


class Stopped(BaseException):
    """Raised where the work was when the signal `number` came.

    No KeyboardInterrupt: Lightning turns that into exit status 1 and ignores Ctrl-C from then on.
    """

    @property
    def status(self) -> int:
        """Return the exit status that shells know for the signal, as 130 or 143."""
        return 128 + int(self.args[0])

    @property
    def reason(self) -> str:
        """Return what is said of a run that ends so."""
        number = signal.Signals(self.args[0])
        return f"stopped by {'Ctrl-C' if number == signal.SIGINT else number.name}"


class Stop:
    """A context in which the first of SIGNALS raises `Stopped`, once.

    Within `held()` it is raised at the end, so that tidying up is never cut short. A second
    signal kills this process and its children at once. Contexts nest; the outermost counts.
    """

    def __init__(self) -> None:
        self.number: int | None = None
        self._depth = 0
        self._held = 0
        self._raised = False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        if threading.current_thread() is threading.main_thread():
            self._depth += 1
            if self._depth == 1:
                self.number, self._held, self._raised = None, 0, False
                self._before = {n: signal.signal(n, self._receive) for n in SIGNALS}
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
                for number, handler in self._before.items():
                    signal.signal(number, handler)

    def retake(self) -> None:
        """Handle the signals again that other code has meanwhile put handlers of its own for."""
        if self._depth and threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._receive)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep a signal that comes meanwhile back until the block is over."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
        self.check()

    def check(self) -> None:
        """Raise what was held back."""
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


STOP = Stop()  # signal handlers are the process's, so this is, too
