"""Timing: images per second of every epoch but the first, in which caches warm up."""

from __future__ import annotations

import time


class Clock:
    """Counts the images and seconds of each epoch, between `start` and `stop`."""

    def __init__(self) -> None:
        self.epochs: list[tuple[int, float]] = []

    def start(self) -> None:
        """Start an epoch."""
        self.images, self.began_at = 0, time.perf_counter()

    def stop(self) -> None:
        """End the epoch."""
        self.epochs.append((self.images, time.perf_counter() - self.began_at))

    @property
    def rate(self) -> float:
        """Images per second, without the first epoch."""
        epochs = self.epochs[1:]
        return sum(images for images, _ in epochs) / sum(seconds for _, seconds in epochs)
