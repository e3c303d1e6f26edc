"""Means and intervals over seeds, against closed forms and scipy.stats."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnn_anatomy.results.statistics import (
    Estimate,
    independent_sum,
    mean_difference,
    paired_sum,
    pool,
    summarise,
)

SIDE = st.lists(st.integers(-1000, 1000).map(lambda x: x / 10), min_size=2, max_size=12)


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=12))
def test_summary_is_students(values):
    summary = summarise([*values, float("nan")])
    assert summary is not None
    assert summary.n == len(values)
    assert summary.mean == pytest.approx(np.mean(values), abs=1e-9)
    assert summary.std == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    if summary.std > 1e-6:
        low, high = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
        assert (summary.low, summary.high) == pytest.approx((low, high))


def test_one_value_has_no_interval_and_none_no_summary():
    one = summarise([3.0])
    assert one is not None
    assert np.isnan([one.std, one.low, one.high]).all()
    assert summarise([]) is None


@given(SIDE, SIDE, st.floats(0.001, 0.2))
def test_two_sides_make_welchs_interval(a, b, alpha):
    estimate = independent_sum([a, b], [1, -1])
    if np.ptp(a) + np.ptp(b):
        welch = stats.ttest_ind(a, b, equal_var=False).confidence_interval(1 - alpha)
        assert estimate.interval(alpha) == pytest.approx((welch.low, welch.high), abs=1e-6)
    else:
        assert estimate.interval(alpha) == pytest.approx((a[0] - b[0], a[0] - b[0]))


@given(st.lists(st.tuples(*[st.integers(-1000, 1000)] * 2), min_size=2, max_size=12))
def test_two_paired_sides_make_students_interval(pairs):
    a, b = np.array(pairs, dtype=float).T
    student = (
        stats.ttest_rel(a, b).confidence_interval(0.99) if np.ptp(a - b) else [a[0] - b[0]] * 2
    )
    gap = [np.nan]  # a run that is missing takes its pair away
    estimate = paired_sum([[*a, *gap], [*b, 7.0]], [1, -1])
    assert estimate.n == len(pairs)
    assert estimate.interval(0.01) == pytest.approx((student[0], student[1]), abs=1e-6)


@given(st.lists(SIDE, min_size=4, max_size=4), st.floats(-100, 100))
def test_a_constant_changes_no_contrast_and_opposite_weights_mirror_it(sides, constant):
    weights = [1, -1, -1, 1]
    low, high = independent_sum(sides, weights).interval()
    moved = independent_sum([[x + constant for x in side] for side in sides], weights)
    assert moved.interval() == pytest.approx((low, high), abs=1e-6)
    mirrored = independent_sum(sides, [-w for w in weights]).interval()
    assert mirrored == pytest.approx((-high, -low), abs=1e-6)


def test_a_contrast_of_equal_sides_has_the_error_and_freedom_of_the_analysis_of_variance():
    sides = np.array([[1.0, 2, 3], [2, 3, 4], [5, 6, 7], [9, 10, 11]])  # variance 1 each
    estimate = independent_sum(sides, [1, -1, -1, 1])
    assert estimate.value == (2 - 3) - (6 - 10)
    assert estimate.error == pytest.approx(math.sqrt(4 / 3))
    assert estimate.freedom == pytest.approx(4 * 2)
    assert paired_sum(sides, [1, -1, -1, 1]).error == 0  # the sides move alike


def test_one_value_leaves_the_error_unknown_and_none_the_sum():
    one = independent_sum([[1.0], [2.0, 3.0]], [1, -1])
    assert (one.value, one.n, *one.interval()) == (-1.5, 1, -np.inf, np.inf)
    assert independent_sum([[1.0, 2.0], [np.nan]], [1, -1]) is None
    assert paired_sum([[1.0, np.nan], [np.nan, 2.0]], [1, -1]) is None


def test_the_difference_of_two_means_has_welchs_interval():
    a, b = [0.80, 0.82, 0.84], [0.5, 0.9, 0.6, np.nan]
    summary = mean_difference(a, b)
    welch = stats.ttest_ind(a, b[:3], equal_var=False).confidence_interval()
    assert (summary.low, summary.high) == pytest.approx((welch.low, welch.high))
    assert (summary.n, summary.mean) == (3, pytest.approx(np.mean(a) - np.mean(b[:3])))
    assert np.isnan(mean_difference(a, [0.5]).low)
    assert mean_difference(a, []) is None


# Colditz et al. 1994, Efficacy of BCG vaccine: tuberculosis and none, vaccinated and not.
BCG = (
    *((4, 119, 11, 128), (6, 300, 29, 274), (3, 228, 11, 209), (62, 13536, 248, 12619)),
    *((33, 5036, 47, 5761), (180, 1361, 372, 1079), (8, 2537, 10, 619), (505, 87886, 499, 87892)),
    *((29, 7470, 45, 7232), (17, 1699, 65, 1600), (186, 50448, 141, 27197), (5, 2493, 3, 2338)),
    (27, 16886, 29, 17825),
)


def estimate(value, error):
    return Estimate(value, error, 8.0, 5)


def test_pooling_finds_what_metafor_does_for_the_trials_of_bcg():
    trials = [
        estimate(
            math.log(a / (a + b)) - math.log(c / (c + d)),
            math.sqrt(1 / a - 1 / (a + b) + 1 / c - 1 / (c + d)),
        )
        for a, b, c, d in BCG
    ]
    pooled = pool(trials)
    assert pooled is not None
    assert pooled.value == pytest.approx(-0.7141, abs=1e-4)  # rma(…, method="DL")
    assert pooled.deviation**2 == pytest.approx(0.3088, abs=1e-4)
    assert pooled.n == 13


def test_pooling_two_settings():
    near = pool([estimate(1.0, 0.5), estimate(1.2, 0.5)])
    assert near.deviation == 0
    assert near.value == pytest.approx(1.1)
    half = stats.t.ppf(0.975, 1) * 0.5 / math.sqrt(2)  # no narrower than without their spread
    assert near.interval == pytest.approx((1.1 - half, 1.1 + half))
    far = pool([estimate(-3.0, 0.5), estimate(5.0, 1.0)])
    assert far.deviation**2 == pytest.approx((8**2 - 0.5**2 - 1) / 2)  # also Paule & Mandel's
    assert pool([estimate(1.0, 0.5)]) is None
    assert pool([estimate(1.0, 0.5), estimate(1.0, math.inf)]) is None
    assert pool([estimate(1.0, 0.5), estimate(1.0, 0.0)]) is None


def test_a_table_does_not_wait_for_the_import_of_scipy_stats():
    code = "import cnn_anatomy.report.render, sys; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
