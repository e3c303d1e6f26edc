"""Numbers over seeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats


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
    half = float(stats.t.ppf(0.975, len(x) - 1)) * std / np.sqrt(len(x))
    return Summary(len(x), mean, std, mean - half, mean + half)
