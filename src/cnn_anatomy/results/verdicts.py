"""From runs to a verdict on each claim."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pandas as pd

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.statistics import Difference, holm, paired_difference
from cnn_anatomy.studies.claim import Claim

ALPHA = 0.05


@dataclass(frozen=True)
class Verdict:
    """What the runs say of a claim.

    `treatment` and `control` are the sides' means as measured; `difference` is paired by seed and
    turned so that above zero speaks for the claim. An exact claim (a count) has no p-value.

    *supported*: the difference is at least what matters, its interval lies above zero and
    p ≤ 0.05, corrected by Holm for all the claims of the ledger. *refuted*: the same the other way
    round, or, of an exact claim, any difference smaller than what matters. Else *inconclusive*,
    as it always is with too few seeds.
    """

    study: str
    claim: Claim
    exact: bool
    treatment: float
    control: float
    difference: Difference | None
    p: float | None = None

    @property
    def word(self) -> str:
        """Return supported, refuted or inconclusive."""
        d, matters = self.difference, self.claim.matters
        if d is None:
            return "inconclusive"
        if self.exact:
            return "supported" if d.mean >= matters > 0 else "refuted"
        if self.p is None or self.p > ALPHA:
            return "inconclusive"
        if d.low > 0 and d.mean >= matters:
            return "supported"
        if d.high < 0 and d.mean <= -matters:
            return "refuted"
        return "inconclusive"

    @property
    def reason(self) -> str:
        """Return why a verdict is inconclusive, or nothing."""
        d, matters = self.difference, self.claim.matters
        if self.word != "inconclusive":
            return ""
        if d is None:
            return "no runs"
        if 2 / 2**d.n > ALPHA:
            return f"{d.n} seeds are too few"
        if -matters < d.low and d.high < matters:
            return "the difference is smaller than what matters"
        return "the seeds do not agree enough"


def judge(study: str, claims: Sequence[Claim], sweep: Sweep) -> list[Verdict]:
    """Compare the two sides of every claim, paired by seed; p-values are not yet corrected.

    Raises:
        ConfigError: if a side picks several runs of one seed, or none of the sweep's variants.
    """
    return [_judge(study, claim, sweep) for claim in claims]


def untried(study: str, claims: Sequence[Claim]) -> list[Verdict]:
    """Return what can be said of claims that no run was made for: nothing."""
    nan = float("nan")
    return [Verdict(study, c, metric(c.metric).exact, nan, nan, None) for c in claims]


def correct(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Correct the p-values of all that are not exact for their number."""
    tested = [v for v in verdicts if not v.exact and v.difference is not None]
    corrected = iter(holm([v.difference.p for v in tested if v.difference]))
    return [replace(v, p=next(corrected)) if v in tested else v for v in verdicts]


def _judge(study: str, claim: Claim, sweep: Sweep) -> Verdict:
    treatment = _side(claim, "treatment", claim.treatment, sweep)
    control = (
        pd.Series(claim.control, index=treatment.index, dtype=float)
        if isinstance(claim.control, int | float)
        else _side(claim, "control", claim.control, sweep)
    )
    both = pd.concat([treatment, control], axis=1, keys=["treatment", "control"]).dropna()
    turned = both.map(claim.oriented)
    return Verdict(
        study,
        claim,
        metric(claim.metric).exact,
        float(both.treatment.mean()),
        float(both.control.mean()),
        paired_difference(turned.treatment - turned.control),
    )


def _side(claim: Claim, side: str, wanted: Mapping[str, Any], sweep: Sweep) -> pd.Series:
    """Return the metric by seed of the finished runs that `wanted` picks."""
    runs = sweep.finished
    for name, value in wanted.items():
        column = name if name == "variant" else f"params.{name}"
        runs = runs[runs[column] == str(value)] if column in runs else runs.iloc[:0]
    if runs.seed.duplicated().any():
        found = ", ".join(dict.fromkeys(runs.variant))
        raise ConfigError(f"claim {claim.id}: {side} picks several variants: {found}")
    column = f"metrics.{claim.metric}"
    values = runs[column] if column in runs else pd.Series(dtype=float)
    return pd.Series(values.to_numpy(), index=runs.seed.to_numpy()[: len(values)], dtype=float)
