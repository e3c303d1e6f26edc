"""Means, intervals and tests over seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import special  # scipy.stats takes a second to import: only claims wait for it

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
