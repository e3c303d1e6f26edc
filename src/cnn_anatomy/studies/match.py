"""Equal costs: a study's variants are made as wide as it takes to cost what one of them does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated

from pydantic import AfterValidator

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.studies.record import Record, one_of

MATCHED_COSTS = ("macs", "parameters")


class Match(Record):
    """What the variants of a study have in equal measure, and by which key.

    Attributes:
        cost: `macs`, the multiply-adds of one image, or `parameters`.
        to: the variant whose cost the others are given.
        by: the key that is solved for, a whole number that costs grow with.
    """

    cost: Annotated[str, AfterValidator(one_of(MATCHED_COSTS))]
    to: str
    by: str = "model.width"

    def check(self, variants: Mapping[str, Sequence[str]], key: str = "match") -> None:
        """Check it against the overrides of all variants; `key` names it in a refusal.

        Raises:
            ConfigError: if there is no such variant, or variants set the key that is solved for.
        """
        if self.to not in variants:
            hint = did_you_mean(self.to, variants)
            raise ConfigError(f"{key}.to={self.to} is none of {', '.join(variants)}{hint}")
        for name, words in variants.items():
            if any(word.partition("=")[0].lstrip("+~") == self.by for word in words):
                raise ConfigError(
                    f"{key}.by={self.by} is solved for, and the variant {name} sets it: leave one "
                    "out"
                )
