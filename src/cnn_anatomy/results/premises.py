"""Checks the premises of a claim on what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from cnn_anatomy.results.metrics import Metric, metric
from cnn_anatomy.results.statistics import Summary, summarise
from cnn_anatomy.studies.claim import Claim, Side
from cnn_anatomy.studies.premise import Premise


class UnmetPremise(NamedTuple):
    """A premise that isn't met, or of which it isn't sure.

    Args:
        clause: says so, with numbers.
        is_open: whether more seeds could show that it is met.
    """

    clause: str
    is_open: bool = False


def unmet_premise(claim: Claim, measure: Callable[[str, Side], pd.Series]) -> UnmetPremise | None:
    """Return the first premise that isn't surely met; None if all are.

    Args:
        claim: the claim.
        measure: returns a metric's values, one for each seed, of a side's runs.
    """
    for premise in claim.premises:
        sides = [s for s in claim.sides if not s.is_number and premise.of in (None, s.role)]
        failure = _failure(premise, [summarise(measure(premise.metric, side)) for side in sides])
        if failure is not None:
            whose = f" of the {premise.of}" if premise.of else ""
            clause = f"{metric(premise.metric).name}{whose} {failure.clause}"
            return failure._replace(clause=clause)
    return None


def _failure(premise: Premise, sides: Sequence[Summary | None]) -> UnmetPremise | None:
    measured = [side for side in sides if side is not None]
    if not measured or len(measured) < len(sides):
        return UnmetPremise("was not measured")
    kind = metric(premise.metric)

    def text(value: float) -> str:
        return kind.quantity(kind.text(value))

    lowest, highest = min(measured, key=_low), max(measured, key=_high)
    if premise.at_least is not None and _low(lowest) < premise.at_least:
        is_open = _high(lowest) >= premise.at_least
        surely = "surely " if is_open else ""
        clause = f"is {_between(kind, lowest)}, not {surely}at least {text(premise.at_least)}"
        return UnmetPremise(clause, is_open)
    if premise.at_most is not None and _high(highest) > premise.at_most:
        is_open = _low(highest) <= premise.at_most
        surely = "surely " if is_open else ""
        clause = f"is {_between(kind, highest)}, not {surely}at most {text(premise.at_most)}"
        return UnmetPremise(clause, is_open)
    means = [side.mean for side in measured]
    low, high = min(means), max(means)
    if premise.within is not None and not high - low <= premise.within * abs(low):
        return UnmetPremise(
            f"is {text(low)} to {text(high)}, which differ by {_percent(high - low, low)} of the "
            f"smaller, more than {100 * premise.within:g} %"
        )
    return None


def _low(side: Summary) -> float:
    """Return the lower end of the 95 % interval; the mean where one seed has none."""
    return side.mean if np.isnan(side.low) else side.low


def _high(side: Summary) -> float:
    return side.mean if np.isnan(side.high) else side.high


def _between(kind: Metric, side: Summary) -> str:
    """Return a mean with its 95 % interval, which a count and one seed don't have."""
    mean = kind.quantity(kind.text(side.mean))
    if kind.exact or np.isnan(side.low):
        return mean
    return f"{mean} [{kind.text(side.low)}, {kind.text(side.high)}]"


def _percent(difference: float, of: float) -> str:
    return f"{100 * difference / abs(of):.3g} %" if of else "more than any part"
