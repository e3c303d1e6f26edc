"""Means, intervals and tests over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special  # scipy.stats takes a second to import: only claims wait for it

ALPHA = 0.05  # 1 − the confidence of an interval
EXACT_SEEDS = 14  # the sign-flip test enumerates all 2ⁿ signs up to this n
BOOTSTRAP_RESAMPLES = 9999


@dataclass(frozen=True)
class Summary:
    """Mean, sample standard deviation and 95 % interval of the mean (Student's t) of `n` values.

    A single value has neither deviation nor interval: they are NaN.
    """

    n: int
    mean: float
    std: float
    low: float
    high: float


def summarise(values: Iterable[float]) -> Summary | None:
    """Summarise the finite values; return None if there are none."""
    x = _finite(values)
    if not len(x):
        return None
    mean = float(x.mean())
    if len(x) == 1:
        return Summary(1, mean, np.nan, np.nan, np.nan)
    std = float(x.std(ddof=1))
    half = float(special.stdtrit(len(x) - 1, 0.975)) * std / np.sqrt(len(x))
    return Summary(len(x), mean, std, mean - half, mean + half)


class Interval(NamedTuple):
    """The values from `low` to `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class Estimate:
    """An estimate that is normal, or nearly, about the value that it estimates.

    Args:
        value: the estimate.
        error: its standard error; infinite if a single value of a side leaves it unknown.
        freedom: degrees of freedom of the standard error.
        n: number of values, in the smallest side.
    """

    value: float
    error: float
    freedom: float
    n: int

    def interval(self, alpha: float = ALPHA) -> Interval:
        """Return Student's interval, which misses the true value with probability `alpha`."""
        if not np.isfinite(self.error):
            return Interval(-np.inf, np.inf)
        half = float(special.stdtrit(self.freedom, 1 - alpha / 2)) * self.error
        return Interval(self.value - half, self.value + half)


def independent_sum(sides: Sequence[Iterable[float]], weights: Sequence[float]) -> Estimate | None:
    """Estimate Σ wᵢ μᵢ from independent values of each side; return None if a side has none.

    Each side has a variance of its own: degrees of freedom by Welch 1947 (section 4) and
    Satterthwaite 1946. Two sides with the weights 1 and −1 make Welch's t-test.
    """
    values = [_finite(side) for side in sides]
    n = np.array([len(x) for x in values])
    if not n.all():
        return None
    w = np.asarray(weights, dtype=float)
    value = float(w @ [x.mean() for x in values])
    if (n < 2).any():
        return Estimate(value, np.inf, np.nan, int(n.min()))
    parts = w**2 * [x.var(ddof=1) for x in values] / n
    total = parts.sum()
    shares = parts / total if total else np.ones(len(parts)) / len(parts)
    return Estimate(
        value, float(np.sqrt(total)), float(1 / (shares**2 / (n - 1)).sum()), int(n.min())
    )


def paired_sum(sides: Sequence[Sequence[float]], weights: Sequence[float]) -> Estimate | None:
    """Estimate Σ wᵢ μᵢ from values (N,) of each side that belong together by their position.

    Positions at which a side has no finite value are left out; return None if none is left. Two
    sides with the weights 1 and −1 make Student's paired t-test.
    """
    return independent_sum([np.asarray(weights, dtype=float) @ np.asarray(sides, dtype=float)], [1])


@dataclass(frozen=True)
class Difference:
    """The mean of `n` paired differences with its interval, effect size and p-value.

    Args:
        n: number of pairs.
        mean: mean difference.
        low: lower end of the 95 % bootstrap interval of the mean (BCa, Efron 1987).
        high: its upper end.
        effect: mean ÷ sample standard deviation (Cohen's d for pairs); infinite without spread.
        p: two-sided p-value of the sign-flip test.
    """

    n: int
    mean: float
    low: float
    high: float
    effect: float
    p: float


def paired_difference(
    differences: Iterable[float], resamples: int = BOOTSTRAP_RESAMPLES
) -> Difference | None:
    """Summarise and test the finite paired differences; return None if there are none.

    With one pair the interval is unbounded; with equal differences it is a point.
    """
    x = _finite(differences)
    if not len(x):
        return None
    mean, p = float(x.mean()), sign_flip(x)
    if len(x) == 1:
        return Difference(1, mean, -np.inf, np.inf, np.nan, p)
    std = float(x.std(ddof=1))
    if std <= 1e-12 * abs(mean):  # the bootstrap's BCa is undefined without spread
        return Difference(len(x), mean, mean, mean, np.copysign(np.inf, mean) if mean else 0.0, p)
    from scipy import stats

    interval = stats.bootstrap(
        (x,), np.mean, n_resamples=resamples, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    return Difference(len(x), mean, float(interval.low), float(interval.high), mean / std, p)


def sign_flip(x: np.ndarray) -> float:
    """Return the two-sided p-value of the sign-flip test (Fisher 1935) of the mean of `x` (n,).

    Under the null hypothesis a difference is as likely as its opposite. Up to EXACT_SEEDS values
    all 2ⁿ signs are enumerated, so that p is at least 2 / 2ⁿ; beyond, a fixed sample of them is.
    """
    if len(x) < 2:  # scipy refuses a single value; both of its signs are equally extreme
        return 1.0
    from scipy import stats

    test = stats.permutation_test(
        (x,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=2**EXACT_SEEDS,
        rng=np.random.default_rng(0),
    )
    return float(test.pvalue)


def holm(p_values: Iterable[float]) -> list[float]:
    """Return p-values adjusted for the number of tests (Holm 1979, step-down Bonferroni).

    scipy.stats.false_discovery_control adjusts for the false discovery rate only.
    """
    p = np.asarray(list(p_values), dtype=float)
    order = np.argsort(p)
    steps = p[order] * np.arange(len(p), 0, -1)
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(np.maximum.accumulate(steps), 1)
    return adjusted.tolist()


def _finite(values: Iterable[float]) -> np.ndarray:
    x = np.asarray(list(values), dtype=float)
    return x[np.isfinite(x)]
