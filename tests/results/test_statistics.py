"""Means, intervals and tests over seeds, against closed forms and scipy.stats."""

import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnn_anatomy.results.statistics import (
    holm,
    independent_sum,
    paired_difference,
    paired_sum,
    sign_flip,
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
        assert estimate.interval(alpha) == (a[0] - b[0], a[0] - b[0])


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


@pytest.mark.parametrize("n", range(1, 15))
def test_of_equal_signs_only_two_assignments_are_as_extreme(n):
    assert sign_flip(np.arange(1.0, n + 1)) == pytest.approx(2 / 2**n)
    assert sign_flip(-np.arange(1.0, n + 1)) == pytest.approx(2 / 2**n)


@pytest.mark.parametrize("n", range(2, 15))
def test_of_equal_sizes_the_sign_flip_test_is_the_sign_test(n):
    for positive in range(n + 1):
        x = np.repeat([1.0, -1.0], [positive, n - positive])
        extreme = max(positive, n - positive)
        tail = sum(math.comb(n, k) for k in range(extreme, n + 1)) / 2**n
        assert sign_flip(x) == pytest.approx(min(1, 2 * tail))


@pytest.mark.parametrize("n", range(2, 15))
def test_powers_of_two_have_a_different_mean_for_every_assignment(n):
    # Flipping the powers in the binary form of r gives the sum that exactly r others exceed.
    powers = 2.0 ** np.arange(n)
    for rank in {0, 1, 2 ** (n - 1) // 3, 2 ** (n - 1) - 1}:
        flipped = np.where(rank >> np.arange(n) & 1, -1, 1)
        assert sign_flip(powers * flipped) == pytest.approx(2 * (rank + 1) / 2**n)


def test_more_seeds_are_sampled_and_always_alike():
    x = np.random.default_rng(0).normal(0.5, 1, 30)
    exact = stats.ttest_1samp(x, 0).pvalue
    assert sign_flip(x) == sign_flip(x) == pytest.approx(exact, abs=0.005)


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=10))
def test_a_sign_flip_p_value_is_the_same_in_both_directions(values):
    x = np.array(values)
    assert min(1, 2 / 2 ** len(x)) <= sign_flip(x) <= 1
    assert sign_flip(x) == sign_flip(-x)


def test_holm_on_a_known_example():
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == [1, 1]


def test_the_interval_holds_the_mean_and_shrinks_with_n():
    x = np.random.default_rng(1).normal(1, 1, 200)
    few, many = paired_difference(x[:8]), paired_difference(x)
    assert few is not None
    assert many is not None
    assert few.low < few.mean < few.high
    assert many.high - many.low < few.high - few.low
    assert many.mean == pytest.approx(1, abs=0.2)
    assert many.high - many.low == pytest.approx(2 * 1.96 / np.sqrt(200), rel=0.15)


def test_differences_without_spread_have_a_point_for_an_interval():
    same = paired_difference([2.0, 2.0, 2.0])
    assert same is not None
    assert (same.low, same.high, same.effect) == (2, 2, np.inf)
    assert paired_difference([np.nan]) is None


def test_a_table_does_not_wait_for_the_import_of_scipy_stats():
    code = "import cnn_anatomy.report.render, sys; sys.exit('scipy.stats' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
