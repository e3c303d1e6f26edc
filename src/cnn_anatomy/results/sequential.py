"""Intervals that hold however often one looks.

If seeds are added until a claim is decided, the claim is looked at many times. Student's interval
holds at one look, fixed beforehand; these hold at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cnn_anatomy.results.statistics import ALPHA, Interval

# The prior of the standardised mean is normal with variance 1 / PRIOR_PRECISION: intervals are
# narrowest for differences of about two standard deviations, at eight to sixteen values.
PRIOR_PRECISION = 0.3


def confidence_sequence(
    values: Sequence[float] | np.ndarray, alpha: float, precision: float = PRIOR_PRECISION
) -> Interval:
    """Return an interval of the mean that holds at every length of `values` at once.

    The probability that it ever misses the mean is at most `alpha` for independent normal values
    of any variance: the scale-invariant Gaussian mixture of Wang & Ramdas 2023 (Anytime-valid
    t-tests and confidence sequences for Gaussian means with unknown variance). With c² the
    `precision`, m the mean and s² the variance (divided by n) of n values, it is

        m ± s · √((A − 1) / (1 − A c² / (n + c²))),   A = ((n + c²) / (c² α²))^(1/n),

    and everything where n is so small that the denominator is not positive.

    Args:
        values: finite numbers (N,), in the order in which they came.
        alpha: the probability of an error, between 0 and 1.
        precision: of the prior; any positive number is valid, fixed before the values are seen.
    """
    x = np.asarray(values, dtype=float)
    n = len(x)
    if n == 0:
        return Interval(-np.inf, np.inf)
    growth = ((n + precision) / (precision * alpha**2)) ** (1 / n)
    left = 1 - growth * precision / (n + precision)
    if left <= 0:
        return Interval(-np.inf, np.inf)
    half = float(x.std()) * np.sqrt((growth - 1) / left)
    return Interval(float(x.mean() - half), float(x.mean() + half))


@dataclass(frozen=True)
class SequentialEstimate:
    """An estimate of a mean from values that may have been looked at after each of them.

    Args:
        values: finite numbers, in the order in which they came.
        constant: added to their mean.
    """

    values: tuple[float, ...]
    constant: float = 0.0

    @property
    def value(self) -> float:
        """Return the estimate."""
        return float(np.mean(self.values)) + self.constant

    @property
    def n(self) -> int:
        """Return the number of values."""
        return len(self.values)

    def interval(self, alpha: float = ALPHA) -> Interval:
        """Return an interval that misses the true value with probability `alpha` at any look."""
        low, high = confidence_sequence(self.values, alpha)
        return Interval(low + self.constant, high + self.constant)


def sequential_sum(
    sides: Sequence[Sequence[float]], weights: Sequence[float], constant: float = 0.0
) -> SequentialEstimate | None:
    """Estimate Σ wᵢ μᵢ from values (N,) of each side, of which some may end earlier than others.

    The sums by position are independent and normal whatever the sides' variances are. Positions at
    which a side has no finite value are left out; return None if no other is left.
    """
    sums = np.asarray(weights, dtype=float) @ np.asarray(sides, dtype=float)
    whole = sums[np.isfinite(sums)]
    return SequentialEstimate(tuple(whole.tolist()), constant) if len(whole) else None
