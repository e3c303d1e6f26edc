"""Which means of a sweep replicate those of another one."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from cnn_anatomy.results.replication import replicate_means
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.statistics import prediction_interval


def test_a_prediction_interval_holds_the_mean_of_further_values():
    random = np.random.default_rng(0)
    held = 0
    for _ in range(4000):
        low, high = prediction_interval(random.normal(3, 2, 6), 3, alpha=0.1)
        held += low <= random.normal(3, 2, 3).mean() <= high
    assert held / 4000 == pytest.approx(0.9, abs=3 * (0.9 * 0.1 / 4000) ** 0.5)


def test_it_is_wider_than_the_interval_of_the_mean():
    values = [1.0, 2.0, 4.0]
    low, high = prediction_interval(values, 10**9)
    assert (low, high) == pytest.approx(
        stats.t.interval(0.95, 2, np.mean(values), stats.sem(values))
    )
    assert prediction_interval([1.0], 5) == (-np.inf, np.inf)


def sweep(**metrics):
    """Return finished runs, a metric's values by seed, of one variant."""
    count = len(next(iter(metrics.values())))
    columns = {f"metrics.{name}": values for name, values in metrics.items()}
    runs = pd.DataFrame({"variant": "a", "seed": range(count), "status": "FINISHED", **columns})
    return Sweep("s", "", runs)


def test_means_outside_are_counted_by_metric():
    original = sweep(**{"test/accuracy": [0.6, 0.61, 0.62], "macs": [10, 10, 10]})
    same = sweep(**{"test/accuracy": [0.61], "macs": [10]})
    other = sweep(**{"test/accuracy": [0.9], "macs": [11]})
    names = ["test/accuracy", "macs", "params/total"]  # the last one nobody measured
    found = replicate_means(names, same, original, 0.05)
    assert (found.compared, dict(found.outside)) == (2, {})
    found = replicate_means(names, other, original, 0.05)
    assert (found.compared, dict(found.outside)) == (2, {"test/accuracy": 1, "macs": 1})
    assert replicate_means(["test/accuracy"], other, same, 0.05).compared == 0  # a single seed
