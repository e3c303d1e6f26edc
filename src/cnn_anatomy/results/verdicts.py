"""Judges claims by the runs of a sweep."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf, nan

import pandas as pd

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.results.multiplicity import decided_together
from cnn_anatomy.results.premises import UnmetPremise, unmet_premise
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.sequential import SequentialEstimate, sequential_sum
from cnn_anatomy.results.statistics import ALPHA, Estimate, Interval, independent_sum, paired_sum
from cnn_anatomy.studies.claim import Claim, Side
from cnn_anatomy.studies.record import Params

SUPPORTED = "supported"
REFUTED = "refuted"
INCONCLUSIVE = "inconclusive"
PREMISE_UNMET = "premise unmet"
WORDS = (SUPPORTED, REFUTED, INCONCLUSIVE, PREMISE_UNMET)
EVERYTHING = Interval(-inf, inf)


def decide(interval: Interval, matters: float) -> str:
    """Return the word for a claim that an effect is at least `matters`, δ.

    *supported*: the effect's interval lies at or above δ; *refuted*: it lies below δ;
    *inconclusive*: it holds δ. Where δ is 0, an effect of 0 supports nothing.
    """
    if interval.low >= matters and interval.low > 0:
        return SUPPORTED
    if interval.high < matters or interval.high <= 0:
        return REFUTED
    return INCONCLUSIVE


def refutation(interval: Interval, matters: float) -> str:
    """Return what the interval of a refuted claim shows in place of the claim."""
    if interval.high < -matters:
        return "the opposite"
    if interval.low >= -matters:
        return "no difference that matters"
    return "less than matters"


@dataclass(frozen=True)
class Verdict:
    """The outcome of a claim, by its premises and the interval of its effect (see `decide`).

    Args:
        study: name of the study that decides the claim, in its setting.
        claim: the claim.
        exact: whether the metric is a count, the same for every seed, whose interval is a point.
        means: the mean of each of the claim's sides, as measured; none if a side has no run.
        effect: signed so that positive favours the claim; None without runs.
        unmet: a premise that isn't met, if there is one.
        level: the probability with which the interval that decides misses the effect.
        setting: name of the study's setting; empty if it has none.
    """

    study: str
    claim: Claim
    exact: bool
    means: tuple[float, ...]
    effect: Estimate | SequentialEstimate | None
    unmet: UnmetPremise | None = None
    level: float = ALPHA
    setting: str = ""

    @property
    def name(self) -> str:
        """Return the claim's id, and the setting if that is not the first."""
        return f"{self.claim.id} in {self.setting}" if "/" in self.study else self.claim.id

    @property
    def interval(self) -> Interval:
        """Return the interval that decides; everything without runs."""
        return self.interval_at(self.level)

    def interval_at(self, level: float) -> Interval:
        """Return the effect's interval that misses it with the probability `level`."""
        if self.effect is None:
            return EVERYTHING
        if self.exact:
            return Interval(self.effect.value, self.effect.value)
        return self.effect.interval(level)

    @property
    def word(self) -> str:
        """Return one of WORDS."""
        return self.word_at(self.level)

    def word_at(self, level: float) -> str:
        """Return the word by the interval that misses with the probability `level`."""
        if self.effect is not None and self.unmet is not None:
            return PREMISE_UNMET
        return decide(self.interval_at(level), self.claim.matters)

    @property
    def absence(self) -> str:
        """Return why there is no effect: nothing was run, or the metric was not measured."""
        return "not measured" if self.means else "no runs"

    @property
    def is_open(self) -> bool:
        """Return whether more seeds could decide the claim."""
        is_open = self.word == INCONCLUSIVE or bool(self.unmet and self.unmet.is_open)
        return self.effect is not None and is_open

    @property
    def reason(self) -> str:
        """Return what refutes the claim or why it is not decided; empty if it is supported."""
        reasons = {
            SUPPORTED: lambda: "",
            REFUTED: lambda: refutation(self.interval, self.claim.matters),
            PREMISE_UNMET: lambda: self.unmet.clause if self.unmet else "",
            INCONCLUSIVE: lambda: self._indecision,
        }
        return reasons[self.word]()

    @property
    def _indecision(self) -> str:
        if self.effect is None:
            return self.absence
        if self.effect.n == 1:
            return "a single seed has no interval"
        if self.interval == EVERYTHING:
            return f"{self.effect.n} seeds are too few for a {confidence(self.level)} interval"
        kind, matters = metric(self.claim.metric), self.claim.matters
        bound = kind.quantity(kind.text(matters), difference=True) if matters else "0"
        reason = f"the {confidence(self.level)} interval holds {bound}"
        if self.word_at(ALPHA) == INCONCLUSIVE:
            return reason
        return f"{reason}, though the {confidence(ALPHA)} interval does not"


def confidence(level: float) -> str:
    """Return the confidence of an interval that misses with probability `level`, as in `95 %`."""
    return f"{100 * (1 - level):.4g} %"


def judge_claims(
    study: str, claims: Sequence[Claim], sweep: Sweep, setting: str = ""
) -> list[Verdict]:
    """Judge every claim as if it were the only one.

    Raises:
        ConfigError: if a side picks several variants.
    """
    return [replace(_judge(study, claim, sweep), setting=setting) for claim in claims]


def verdicts_without_runs(study: str, claims: Sequence[Claim]) -> list[Verdict]:
    """Return the inconclusive verdicts of a study that was never swept."""
    return [Verdict(study, c, metric(c.metric).exact, (), None) for c in claims]


def judge_together(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Set the level of all intervals so that at most 5 % of those that decide are expected to miss.

    Counts, which have no error, and claims without runs do not count; a claim whose premise isn't
    met is not decided.
    """
    tested = [v for v in verdicts if v.effect is not None and not v.exact]

    def decided(number: int, level: float) -> bool:
        return tested[number].word_at(level) in (SUPPORTED, REFUTED)

    _, level = decided_together(decided, len(tested), ALPHA)
    return [replace(verdict, level=level) for verdict in verdicts]


def _judge(study: str, claim: Claim, sweep: Sweep) -> Verdict:
    measure = partial(_values, claim, sweep)
    values = [measure(claim.metric, side) for side in claim.sides]
    return Verdict(
        study,
        claim,
        metric(claim.metric).exact,
        tuple(float(x.mean()) for x in values) if all(map(len, values)) else (),
        _effect(claim, values, until_decided=sweep.until_decided),
        unmet_premise(claim, measure),
    )


def _effect(
    claim: Claim, values: Sequence[pd.Series], *, until_decided: bool
) -> Estimate | SequentialEstimate | None:
    """Estimate the weighted sum of the sides' means; a side that is a number has no variance."""
    measured, weights, constant = [], [], 0.0
    for side, x in zip(claim.sides, values, strict=True):
        oriented = x.map(claim.oriented)
        if side.is_number:
            constant += side.weight * float(oriented.mean())
        else:
            measured.append(oriented)
            weights.append(side.weight)
    by_seed = pd.concat(measured, axis=1).sort_index().T.to_numpy().tolist()
    if until_decided:
        return sequential_sum(by_seed, weights, constant)
    effect = paired_sum(by_seed, weights) if claim.paired else independent_sum(measured, weights)
    return effect and replace(effect, value=effect.value + constant)


def _values(claim: Claim, sweep: Sweep, name: str, side: Side) -> pd.Series:
    """Return a metric by seed over the finished runs of a side, or the side's number."""
    if isinstance(side.where, int | float):
        return pd.Series([side.where], dtype=float)
    runs = side_runs(sweep, side.where)
    if runs.seed.duplicated().any():
        variants = ", ".join(dict.fromkeys(runs.variant))
        raise ConfigError(f"claim {claim.id}: {side.role} picks several variants: {variants}")
    column = f"metrics.{name}"
    values = runs[column].to_numpy() if column in runs else nan
    return pd.Series(values, index=runs.seed.to_numpy(), dtype=float)


def side_runs(sweep: Sweep, where: Params) -> pd.DataFrame:
    """Return the finished runs that have these params (or this `variant`)."""
    runs = sweep.finished
    for param, value in where.items():
        column = param if param == "variant" else f"params.{param}"
        runs = runs[runs[column] == str(value)] if column in runs else runs.iloc[:0]
    return runs
