"""Judges claims by the runs of a sweep."""

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
    """The outcome of a claim.

    *supported*: the difference is at least what matters, its interval lies above zero and
    p ≤ ALPHA after Holm's correction over all claims of the ledger. *refuted*: the same in the
    opposite direction, or, for an exact claim, any difference smaller than what matters.
    *inconclusive*: everything else, in particular too few seeds.

    Args:
        study: name of the study that decides the claim.
        claim: the claim.
        exact: whether the metric is a count, the same for every seed, which needs no test.
        treatment: mean of the treatment, as measured.
        control: mean of the control, as measured.
        difference: paired by seed, signed so that positive favours the claim; None without runs.
        p: corrected p-value; None before correction and for an exact claim.
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
        difference, matters = self.difference, self.claim.matters
        if difference is None:
            return "inconclusive"
        if self.exact:
            return "supported" if difference.mean >= matters > 0 else "refuted"
        if self.p is None or self.p > ALPHA:
            return "inconclusive"
        if difference.low > 0 and difference.mean >= matters:
            return "supported"
        if difference.high < 0 and difference.mean <= -matters:
            return "refuted"
        return "inconclusive"

    @property
    def reason(self) -> str:
        """Return why the verdict is inconclusive; empty otherwise."""
        difference, matters = self.difference, self.claim.matters
        if self.word != "inconclusive":
            return ""
        if difference is None:
            return "no runs"
        if 2 / 2**difference.n > ALPHA:
            return f"{difference.n} seeds are too few"
        if -matters < difference.low and difference.high < matters:
            return "the difference is smaller than what matters"
        return "the seeds do not agree enough"


def judge_claims(study: str, claims: Sequence[Claim], sweep: Sweep) -> list[Verdict]:
    """Compare the two sides of every claim, paired by seed; p-values are not yet corrected.

    Raises:
        ConfigError: if a side picks several variants.
    """
    return [_judge(study, claim, sweep) for claim in claims]


def verdicts_without_runs(study: str, claims: Sequence[Claim]) -> list[Verdict]:
    """Return the inconclusive verdicts of a study that was never swept."""
    nan = float("nan")
    return [Verdict(study, c, metric(c.metric).exact, nan, nan, None) for c in claims]


def correct_p_values(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Correct the p-values of all tested claims for their number."""
    tested = [v for v in verdicts if not v.exact and v.difference is not None]
    corrected = iter(holm([v.difference.p for v in tested if v.difference]))
    return [replace(v, p=next(corrected)) if v in tested else v for v in verdicts]


def _judge(study: str, claim: Claim, sweep: Sweep) -> Verdict:
    treatment = _values(claim, "treatment", claim.treatment, sweep)
    control = (
        pd.Series(claim.control, index=treatment.index, dtype=float)
        if isinstance(claim.control, int | float)
        else _values(claim, "control", claim.control, sweep)
    )
    pairs = pd.concat([treatment, control], axis=1, keys=["treatment", "control"]).dropna()
    oriented = pairs.map(claim.oriented)
    return Verdict(
        study,
        claim,
        metric(claim.metric).exact,
        float(pairs.treatment.mean()),
        float(pairs.control.mean()),
        paired_difference(oriented.treatment - oriented.control),
    )


def _values(claim: Claim, side: str, params: Mapping[str, Any], sweep: Sweep) -> pd.Series:
    """Return the claim's metric by seed over the finished runs that have `params`."""
    runs = sweep.finished
    for name, value in params.items():
        column = name if name == "variant" else f"params.{name}"
        runs = runs[runs[column] == str(value)] if column in runs else runs.iloc[:0]
    if runs.seed.duplicated().any():
        variants = ", ".join(dict.fromkeys(runs.variant))
        raise ConfigError(f"claim {claim.id}: {side} picks several variants: {variants}")
    column = f"metrics.{claim.metric}"
    values = runs[column] if column in runs else pd.Series(dtype=float)
    return pd.Series(values.to_numpy(), index=runs.seed.to_numpy()[: len(values)], dtype=float)
