"""Means and intervals over seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import special  # scipy.stats takes a second to import: only claims wait for it

ALPHA = 0.05  # 1 − the confidence of an interval


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


def mean_difference(values: Iterable[float], others: Iterable[float]) -> Summary | None:
    """Summarise the difference of two means, with Welch's 95 % interval; None if one has no value.

    n is that of the smaller side, and the deviation NaN, as nothing is paired.
    """
    estimate = independent_sum([values, others], [1, -1])
    if estimate is None:
        return None
    ends = estimate.interval() if estimate.n > 1 else (np.nan, np.nan)
    return Summary(estimate.n, estimate.value, np.nan, *ends)


def paired_sum(sides: Sequence[Sequence[float]], weights: Sequence[float]) -> Estimate | None:
    """Estimate Σ wᵢ μᵢ from values (N,) of each side that belong together by their position.

    Positions at which a side has no finite value are left out; return None if none is left. Two
    sides with the weights 1 and −1 make Student's paired t-test.
    """
    return independent_sum([np.asarray(weights, dtype=float) @ np.asarray(sides, dtype=float)], [1])


@dataclass(frozen=True)
class PooledEstimate:
    """The mean of effects that differ between settings, estimated in some of them.

    Args:
        value: the estimate.
        interval: its 95 % interval.
        deviation: estimate of the standard deviation of the settings' true effects.
        n: number of settings.
    """

    value: float
    interval: Interval
    deviation: float
    n: int


def pool(estimates: Sequence[Estimate]) -> PooledEstimate | None:
    """Pool estimates of one effect in independent settings, in each of which it may be another.

    The variance between settings is DerSimonian & Laird's (1986, Meta-analysis in clinical trials),
    of which that of Paule & Mandel is no other for two settings. The interval is Hartung & Knapp's
    (2001), Student's with a degree of freedom less than there are settings, and never narrower than
    without their factor (Röver, Knapp & Friede 2015). Of few settings the variance can hardly be
    estimated, and the interval says so: for two it is 12.7 standard errors to either side.

    Return None for fewer than two estimates, or if one has no finite, positive standard error.
    """
    y = np.array([e.value for e in estimates])
    variances = np.array([e.error for e in estimates]) ** 2
    if len(y) < 2 or not (np.isfinite(variances) & (variances > 0)).all():
        return None
    w = 1 / variances
    excess = float(w @ (y - w @ y / w.sum()) ** 2) - (len(y) - 1)
    between = max(0.0, excess / float(w.sum() - (w @ w) / w.sum()))
    w = 1 / (variances + between)
    mean = float(w @ y / w.sum())
    factor = max(1.0, float(w @ (y - mean) ** 2) / (len(y) - 1))
    half = float(special.stdtrit(len(y) - 1, 1 - ALPHA / 2)) * np.sqrt(factor / w.sum())
    interval = Interval(mean - float(half), mean + float(half))
    return PooledEstimate(mean, interval, float(np.sqrt(between)), len(y))


def prediction_interval(values: Iterable[float], count: int, alpha: float = ALPHA) -> Interval:
    """Return where the mean of `count` further values lies, but with probability `alpha`.

    With mean m and standard deviation s of n normal values it is m ± t s √(1/n + 1/count), where t
    has n − 1 degrees of freedom (Spence & Stanley 2016, Prediction interval: what to expect when
    you're expecting … a replication). It is everything for fewer than two finite values.
    """
    x = _finite(values)
    if len(x) < 2:
        return Interval(-np.inf, np.inf)
    error = float(x.std(ddof=1)) * np.sqrt(1 / len(x) + 1 / count)
    half = float(special.stdtrit(len(x) - 1, 1 - alpha / 2)) * error
    return Interval(float(x.mean()) - half, float(x.mean()) + half)


def _finite(values: Iterable[float]) -> np.ndarray:
    x = np.asarray(list(values), dtype=float)
    return x[np.isfinite(x)]
