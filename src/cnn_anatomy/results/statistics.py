"""Numbers over seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import special


@dataclass(frozen=True)
class Summary:
    """`n` values: mean, sample standard deviation, and the 95 % interval of the mean.

    The interval is Student's t; with one value, deviation and interval are NaN.
    """

    n: int
    mean: float
    std: float
    low: float
    high: float


def summarise(values: Iterable[float]) -> Summary | None:
    """Summarise the finite ones of `values`; None if there are none."""
    x = np.asarray([v for v in values if np.isfinite(v)], dtype=float)
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
    """The mean of `n` paired differences, how sure it is and how large.

    Args:
        low, high: 95 % bootstrap interval of the mean (BCa, Efron 1987).
        effect: mean / sample standard deviation (Cohen's d for pairs); infinite without spread.
        p: of the exact sign-flip test (Fisher 1935), two-sided: under the null a difference is as
            likely as its opposite. It cannot fall below 2 / 2ⁿ.
    """

    n: int
    mean: float
    low: float
    high: float
    effect: float
    p: float


def paired_difference(differences: Iterable[float], resamples: int = 9999) -> Difference | None:
    """Return what paired differences say; None without any that is finite."""
    x = np.asarray([v for v in differences if np.isfinite(v)], dtype=float)
    if not len(x):
        return None
    mean, p = float(x.mean()), sign_flip(x)
    if len(x) == 1:
        return Difference(1, mean, -np.inf, np.inf, np.nan, p)
    std = float(x.std(ddof=1))
    if std <= 1e-12 * abs(mean) or std == 0:
        return Difference(len(x), mean, mean, mean, np.copysign(np.inf, mean) if mean else 0.0, p)
    from scipy import stats  # takes a second to import, which a table need not wait for

    interval = stats.bootstrap(
        (x,), np.mean, n_resamples=resamples, method="BCa", rng=np.random.default_rng(0)
    ).confidence_interval
    return Difference(len(x), mean, float(interval.low), float(interval.high), mean / std, p)


def sign_flip(x: np.ndarray, most: int = 14) -> float:
    """Return the two-sided p-value of `x` (N,) over all 2ᴺ choices of signs.

    Beyond `most` values, over 2^`most` random ones.
    """
    count = len(x)
    if count <= most:
        codes = np.arange(2**count)[:, None] >> np.arange(count) & 1
    else:
        codes = np.random.default_rng(0).integers(0, 2, (2**most, count))
        codes[0] = 1  # what was seen is one of them
    means = np.abs(((2 * codes - 1) * x).mean(axis=1))
    return float((means >= abs(x.mean()) * (1 - 1e-9)).mean())


def holm(p: Iterable[float]) -> list[float]:
    """Return p-values corrected for their number (Holm 1979)."""
    values = np.asarray(list(p), dtype=float)
    order = np.argsort(values)
    scaled = values[order] * np.arange(len(values), 0, -1)
    corrected = np.empty_like(values)
    corrected[order] = np.minimum(np.maximum.accumulate(scaled), 1)
    return corrected.tolist()
