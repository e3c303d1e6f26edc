"""Timing: images a second of every epoch but the first, which warms up."""

from __future__ import annotations

import time


class Clock:
    """Counts images and seconds between `start` and `stop`, epoch by epoch."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, float]] = []

    def start(self) -> None:
        """Begin an epoch."""
        self.images, self.began = 0, time.perf_counter()

    def stop(self) -> None:
        """End it."""
        self.epochs.append((self.images, time.perf_counter() - self.began))

    @property
    def rate(self) -> float:
        """Images a second, without the first epoch."""
        timed = self.epochs[1:]
        return sum(images for images, _ in timed) / sum(seconds for _, seconds in timed)
