"""The mistakes of a sweep's variants, all of them told before any is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from cnn_anatomy.core.errors import ConfigError, sentence

MISTAKES = (ConfigError, HydraException, OmegaConfBaseException)


class Mistakes:
    """Collects each sentence once, with the variants that earn it."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.found: dict[str, list[str]] = {}

    @contextmanager
    def of(self, variant: str) -> Iterator[None]:
        """Keep what is raised while `variant` is composed and checked."""
        self.seen.add(variant)
        try:
            yield
        except MISTAKES as error:
            for line in sentence(error).splitlines():
                self.found.setdefault(line, []).append(variant)

    def refuse(self) -> None:
        """Raise the ConfigError of all mistakes, one a line; say which variants where not all."""
        if self.found:
            raise ConfigError("\n".join(self._line(line, who) for line, who in self.found.items()))

    def _line(self, line: str, variants: list[str]) -> str:
        if len(variants) == len(self.seen):
            return line
        shown = ", ".join(variants[:3]) + (", …" if len(variants) > 3 else "")
        return f"{line} (in {len(variants)} of {len(self.seen)} variants: {shown})"
