"""Claims: falsifiable statements, as data in the study that decides them."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any

from pydantic import AfterValidator, Field, PlainValidator, TypeAdapter

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.studies.record import Number, Params, Record, one_of

DIRECTIONS = {
    "higher": lambda value: value,
    "lower": lambda value: -value,
    "nearer zero": lambda value: -abs(value),
}
PARAMS: TypeAdapter[Params] = TypeAdapter(Params)


def _params_or_number(value: Any) -> Any:
    if isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value):
        return value
    if not isinstance(value, dict):
        raise ConfigError("must be a finite number, or map params to values")
    return PARAMS.validate_python(value)


class Claim(Record):
    """A statement that compares two sides of a study, paired by seed.

    Attributes:
        id: the claim's key in the ledger: the statement, and after a dot the part of it.
        statement: the claim in words.
        source: who makes the claim.
        metric: what is compared; `untrained/<metric>` is measured before the first step.
        better: where the claim expects the treatment: `higher`, `lower` or `nearer zero`.
        treatment: the params (or `variant`) that pick the treatment, one run for each seed.
        control: the params that pick the control, or a number to compare the treatment with.
        matters: the smallest difference that matters, in the metric's own unit.
        scope: the conditions under which the verdict holds.
    """

    id: Annotated[str, Field(min_length=1)]
    statement: str
    source: str
    metric: str
    better: Annotated[str, AfterValidator(one_of(DIRECTIONS))]
    treatment: Params
    control: Annotated[Params | int | float, PlainValidator(_params_or_number)]
    matters: Annotated[Number, Field(ge=0)]
    scope: str = ""

    def oriented(self, value: float) -> float:
        """Return `value` with its sign turned so that more of it supports the claim."""
        return DIRECTIONS[self.better](value)
