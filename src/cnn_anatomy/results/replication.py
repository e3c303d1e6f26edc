"""Whether a sweep finds what another one found: its means by prediction intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cnn_anatomy.results.metrics import metric
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.statistics import prediction_interval


@dataclass(frozen=True)
class MeanReplication:
    """How many means over seeds were compared, and how often each metric's lay outside."""

    compared: int
    outside: Counter[str]


def replicate_means(
    names: Iterable[str], sweep: Sweep, original: Sweep, alpha: float
) -> MeanReplication:
    """Compare each variant's mean of each metric with the prediction interval of `original`.

    Compared are the variants that both have, where the interval exists: `original` has two finite
    values, or one of a metric that is the same for every seed.

    Args:
        names: of metrics.
        sweep: the replication.
        original: the runs that predict.
        alpha: the probability with which an interval misses.
    """
    compared, outside = 0, Counter[str]()
    for name in names:
        for variant in dict.fromkeys(sweep.variants):
            ours, theirs = (_finite_values(s, variant, name) for s in (sweep, original))
            if not len(ours) or len(theirs) < (1 if metric(name).exact else 2):
                continue
            compared += 1
            mean = float(ours.mean())
            if metric(name).exact or not theirs.std():
                inside = bool(np.isclose(mean, theirs.mean(), rtol=1e-9, atol=0))
            else:
                low, high = prediction_interval(theirs, len(ours), alpha)
                inside = low <= mean <= high
            outside[name] += not inside
    return MeanReplication(compared, +outside)


def _finite_values(sweep: Sweep, variant: str, name: str) -> np.ndarray:
    values = sweep.values(variant, name).to_numpy()
    return values[np.isfinite(values)]
