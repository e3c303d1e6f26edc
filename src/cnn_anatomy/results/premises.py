"""Checks the premises of a claim on what was measured."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from cnn_anatomy.results.metrics import metric
from cnn_anatomy.studies.claim import Claim, Side
from cnn_anatomy.studies.premise import Premise


def unmet_premise(claim: Claim, measure: Callable[[str, Side], pd.Series]) -> str | None:
    """Return a clause, with numbers, about the first premise that isn't met; None if all are.

    Args:
        claim: the claim.
        measure: returns a metric's values, one for each seed, of a side's runs.
    """
    for premise in claim.premises:
        sides = [s for s in claim.sides if not s.is_number and premise.of in (None, s.role)]
        means = [float(measure(premise.metric, side).mean()) for side in sides]
        clause = _failure(premise, means)
        if clause:
            whose = f" of the {premise.of}" if premise.of else ""
            return f"{metric(premise.metric).name}{whose} {clause}"
    return None


def _failure(premise: Premise, means: Sequence[float]) -> str | None:
    kind = metric(premise.metric)

    def text(value: float) -> str:
        return kind.quantity(kind.text(value))

    if not means or np.isnan(means).any():
        return "was not measured"
    low, high = min(means), max(means)
    if premise.at_least is not None and low < premise.at_least:
        return f"is {text(low)}, not at least {text(premise.at_least)}"
    if premise.at_most is not None and high > premise.at_most:
        return f"is {text(high)}, not at most {text(premise.at_most)}"
    if premise.within is not None and not high - low <= premise.within * abs(low):
        return f"is {text(low)} to {text(high)}, not the same within {100 * premise.within:g} %"
    return None
