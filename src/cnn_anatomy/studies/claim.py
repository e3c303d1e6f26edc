"""Claims: falsifiable statements, as data in the study that decides them."""

from __future__ import annotations

from math import isfinite
from typing import Annotated, Any, NamedTuple, Self

from pydantic import AfterValidator, Field, PlainValidator, Strict, TypeAdapter, model_validator

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.studies.premise import Premise
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


class Pair(Record):
    """Two sides.

    Attributes:
        treatment: the params (or `variant`) that pick the treatment, one run for each seed.
        control: the params that pick the control.
    """

    treatment: Params
    control: Params


class Side(NamedTuple):
    """One of the means that a claim's effect is a weighted sum of.

    Args:
        role: treatment, control or between.
        weight: its factor in the effect.
        where: the params (or `variant`) that pick its runs, or a number in place of runs.
    """

    role: str
    weight: float
    where: Params | float

    @property
    def is_number(self) -> bool:
        """Return whether a number stands in place of runs."""
        return isinstance(self.where, int | float)


class Claim(Record):
    """A statement that an effect is at least as large as what matters.

    The effect is a weighted sum of means over seeds. By itself it is the difference treatment −
    control, or the treatment's difference from a number. With `than` it is an interaction: how much
    larger that difference is than one between two other variants. With `through` it is a trend: the
    change from the control to the treatment along the line that fits both and the variants between
    them best, all at equal distances.

    Attributes:
        id: the claim's key in the ledger: the statement, and after a dot the part of it.
        statement: the claim in words.
        source: who makes the claim.
        metric: what is compared; `untrained/<metric>` is measured before the first step.
        better: where the claim expects the treatment: `higher`, `lower` or `nearer zero`.
        treatment: the params (or `variant`) that pick the treatment, one run for each seed.
        control: the params that pick the control, or a number to compare the treatment with.
        than: treatment and control of the difference that an interaction compares with.
        through: the params of each variant between control and treatment, in order, of a trend.
        paired: whether runs of one seed share more than the seed, such as their weights before
            training or their source network, so that differences by seed vary less.
        matters: the smallest effect that matters, in the metric's own unit: δ.
        premises: measured conditions without which the verdict says nothing.
        scope: the conditions under which the verdict holds.
    """

    id: Annotated[str, Field(min_length=1)]
    statement: str
    source: str
    metric: str
    better: Annotated[str, AfterValidator(one_of(DIRECTIONS))]
    treatment: Params
    control: Annotated[Params | int | float, PlainValidator(_params_or_number)]
    than: Pair | None = None
    through: Annotated[tuple[Params, ...], Field(min_length=1)] | None = None
    paired: Annotated[bool, Strict()] = False
    matters: Annotated[Number, Field(ge=0)]
    premises: tuple[Premise, ...] = ()
    scope: str = ""

    @model_validator(mode="after")
    def _is_one_kind(self) -> Self:
        if self.than is not None and self.through is not None:
            raise ConfigError("must not have both than (an interaction) and through (a trend)")
        if isinstance(self.control, int | float) and (self.than or self.through):
            raise ConfigError("must have no number as its control beside than or through")
        return self

    def oriented(self, value: float) -> float:
        """Return `value` with its sign turned so that more of it supports the claim."""
        return DIRECTIONS[self.better](value)

    @property
    def sides(self) -> tuple[Side, ...]:
        """Return the sides of the effect; those of a trend go from the control to the treatment."""
        if self.through is not None:
            return _trend(self.treatment, self.control, self.through)
        pair = Side("treatment", 1, self.treatment), Side("control", -1, self.control)
        if self.than is None:
            return pair
        other = self.than
        return *pair, Side("treatment", -1, other.treatment), Side("control", 1, other.control)


def _trend(
    treatment: Params, control: Params | float, between: tuple[Params, ...]
) -> tuple[Side, ...]:
    """Return the sides whose weighted sum is the least-squares slope × the distance of the ends."""
    steps = len(between) + 1
    places = [k / steps - 1 / 2 for k in range(steps + 1)]  # from control to treatment, centred
    square = sum(place**2 for place in places)
    low, *middle, high = (place / square for place in places)
    return (
        Side("control", low, control),
        *(Side("between", w, where) for w, where in zip(middle, between, strict=True)),
        Side("treatment", high, treatment),
    )
