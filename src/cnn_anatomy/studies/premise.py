"""Premises: measured conditions without which a claim's verdict says nothing, as data."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, Field, model_validator

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.studies.record import Number, Record, one_of

ROLES = ("treatment", "control", "between")
BOUNDS = ("at_least", "at_most", "within")


class Premise(Record):
    """A condition on what each side of a claim is over seeds; it has exactly one bound.

    Attributes:
        metric: what is measured; `untrained/<metric>` is measured before the first step.
        of: which sides must meet it: `treatment`, `control` or `between`; by default all.
        at_least: at or above which the 95 % interval of a side's mean must lie.
        at_most: at or below which it must lie.
        within: by which part of the smallest mean the largest may exceed it: 0.1 is 10 %.
    """

    metric: str
    of: Annotated[str, AfterValidator(one_of(ROLES))] | None = None
    at_least: Number | None = None
    at_most: Number | None = None
    within: Annotated[Number, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _has_one_bound(self) -> Self:
        if sum(getattr(self, bound) is not None for bound in BOUNDS) != 1:
            raise ConfigError(f"must have exactly one of {', '.join(BOUNDS)}")
        return self
