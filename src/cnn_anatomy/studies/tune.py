"""Tuning: each variant of a study takes the value of a key that serves it best in validation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import Field

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.studies.record import Count, Key, Record, Setting, override_value

FIRST_SEED = 10_000  # of tuning: none of its seeds is one of the study's own
IDENTITIES = ("seed", "setting", "study", "variant")  # keys by which runs are told apart


class Tune(Record):
    """What the variants of a study are tuned by, so that none is judged at another's best value.

    Attributes:
        by: the key, such as `optimizer.lr`.
        values: what each variant is tried with.
        seeds: how many seeds each value is tried with.
    """

    by: Key
    values: Annotated[tuple[Setting, ...], Field(min_length=1)]
    seeds: Count = 2

    @property
    def words(self) -> tuple[str, ...]:
        """Return the values as Hydra's overrides write them."""
        return tuple(map(override_value, self.values))

    def check(self, overrides: Mapping[str, Sequence[str]], solved: str | None) -> None:
        """Check it against overrides, by what sets them, and the key that `match` solves for.

        Raises:
            ConfigError: if there is nothing to choose from, a value is given twice, or the key is
                none, or one that is set otherwise or that tells runs apart.
        """
        if self.by.lstrip("+~") != self.by:
            raise ConfigError(f"tune.by={self.by} is no key: leave {self.by[0]} out")
        if self.by == solved:
            raise ConfigError(f"tune.by={self.by} is what match solves for: tune another key")
        if self.by in IDENTITIES:
            raise ConfigError(
                f"tune.by={self.by} only tells runs apart: name a key that a result depends on, "
                "such as optimizer.lr"
            )
        if len(self.words) == 1:
            raise ConfigError(f"tune.values={self.words[0]} leaves no choice: give several values")
        for word in self.words:
            if self.words.count(word) > 1:
                raise ConfigError(f"tune.values names {word} twice: give each value once")
        for name, words in overrides.items():
            if any(word.partition("=")[0].lstrip("+~") == self.by for word in words):
                raise ConfigError(f"tune.by={self.by} is tuned, and {name} sets it: leave one out")
