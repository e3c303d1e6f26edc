"""The mistakes in a sweep's variants, reported together before any run is trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.sentences import COMPOSITION_ERRORS, sentence


class Mistakes:
    """Collects each sentence once, with the variants whose configuration it refuses."""

    def __init__(self) -> None:
        self.checked: set[str] = set()
        self.variants: dict[str, list[str]] = {}

    @contextmanager
    def of(self, variant: str) -> Iterator[None]:
        """Collect what is raised while `variant` is composed and checked."""
        self.checked.add(variant)
        try:
            yield
        except COMPOSITION_ERRORS as error:
            for line in sentence(error).splitlines():
                self.variants.setdefault(line, []).append(variant)

    def are_shared(self) -> bool:
        """Return whether two variants or more were checked, and all made the same mistakes."""
        names = self.variants.values()
        return len(self.checked) > 1 and bool(names) and all(map(self.checked.issubset, names))

    def refuse(self) -> None:
        """Raise a ConfigError with a line for each mistake, if there is one.

        A line names its variants unless it holds for all.
        """
        if self.variants:
            raise ConfigError("\n".join(map(self._line, self.variants)))

    def _line(self, mistake: str) -> str:
        variants = self.variants[mistake]
        if len(variants) == len(self.checked):
            return mistake
        names = ", ".join(variants[:3]) + (", …" if len(variants) > 3 else "")
        return f"{mistake} (in {len(variants)} of {len(self.checked)} variants: {names})"
