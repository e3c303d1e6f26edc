"""Ranges that parameters declare, as in `dropout: Share = 0.5`.

The configuration is checked against them before the code is imported, so `config` reads this file's
text: an alias is an `Annotated` type whose bounds are plain numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Ge, Gt, Le, Lt, MinLen

Count = Annotated[int, Ge(0)]
Size = Annotated[int, Ge(1)]
LARGEST_SEED = 2_147_483_647  # 2³¹ − 1; repeated below, as annotations are read, not run
Seed = Annotated[int, Ge(0), Le(2_147_483_647)]
Sizes = Annotated[Sequence[Size], MinLen(1)]

NonNegative = Annotated[float, Ge(0)]
Positive = Annotated[float, Gt(0)]
Fraction = Annotated[float, Ge(0), Le(1)]
Share = Annotated[float, Ge(0), Lt(1)]  # some, none, but not all
ProperFraction = Annotated[float, Gt(0), Lt(1)]
ByteLevel = Annotated[float, Ge(0), Le(255)]


@dataclass(frozen=True)
class Pattern:
    """A regular expression that all of a text matches, and what such a text is called."""

    expression: str
    name: str
