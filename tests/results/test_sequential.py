"""Intervals for many looks, held against simulation and closed forms."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_anatomy.results.multiplicity import decided_together
from cnn_anatomy.results.sequential import PRIOR_PRECISION, confidence_sequence
from cnn_anatomy.results.statistics import Interval

ALPHA = 0.05


def martingale(x, mean, precision=PRIOR_PRECISION):
    """Return the mixture likelihood ratio of Wang & Ramdas by numerical integration over it."""
    x = np.asarray(x) - mean
    n, total, square = len(x), x.sum(), (x**2).sum()
    effects = np.linspace(-12, 12, 2401)
    prior = np.sqrt(precision / (2 * np.pi)) * np.exp(-precision * effects**2 / 2)
    # The scale is integrated out with the density 1/σ, of τ = 1/σ on a logarithmic grid.
    scales = np.exp(np.linspace(-6, 4, 1001))[:, None]
    null = n * np.log(scales) - square * scales**2 / 2
    shifted = null + effects * total * scales - n * effects**2 / 2
    return (np.exp(shifted).sum(0) * prior).sum() * (effects[1] - effects[0]) / np.exp(null).sum()


def test_the_ends_are_where_the_mixture_ratio_reaches_one_over_alpha():
    x = np.array([0.3, -0.1, 0.8, 0.5, 0.2, 0.9, -0.3])
    for end in confidence_sequence(x, ALPHA):
        assert martingale(x, end) == pytest.approx(1 / ALPHA, rel=1e-3)


def test_it_ever_misses_in_at_most_alpha_of_all_sequences():
    random = np.random.default_rng(0)
    missed = 0
    for _ in range(1000):
        x = random.normal(1.0, 3.0, 40)
        ends = [confidence_sequence(x[:n], ALPHA) for n in range(2, 41)]
        missed += any(not low <= 1.0 <= high for low, high in ends)
    assert missed / 1000 < ALPHA + 2 * np.sqrt(ALPHA * (1 - ALPHA) / 1000)
    assert missed > 0  # it is no interval of everything


@given(
    st.lists(st.floats(-5, 5), min_size=2, max_size=12),
    st.floats(0.1, 10),
    st.floats(-100, 100),
)
def test_it_moves_with_the_values(x, scale, shift):
    low, high = confidence_sequence(x, ALPHA)
    moved = confidence_sequence([scale * v + shift for v in x], ALPHA)
    assert moved == pytest.approx((scale * low + shift, scale * high + shift), rel=1e-6, abs=1e-6)


@given(st.lists(st.floats(-5, 5), min_size=2, max_size=12), st.floats(0.001, 0.2))
def test_a_smaller_error_asks_for_a_wider_interval(x, alpha):
    wide, narrow = confidence_sequence(x, alpha / 2), confidence_sequence(x, alpha)
    assert wide.low <= narrow.low <= narrow.high <= wide.high


def test_nothing_is_known_of_no_value_and_of_one():
    everything = Interval(-np.inf, np.inf)
    assert confidence_sequence([], ALPHA) == confidence_sequence([3.0], ALPHA) == everything


def test_false_decisions_stay_below_alpha_when_each_claim_stops_when_it_is_decided():
    random = np.random.default_rng(1)
    claims, shares = 20, []
    for _ in range(40):
        effects = np.where(np.arange(claims) < 10, 0.0, 2.0)  # half of them nothing
        x = random.normal(effects[:, None], 1.0, (claims, 24))
        lengths = np.full(claims, 4)

        def decided(k, level, x=x, lengths=lengths):
            low, high = confidence_sequence(x[k, : lengths[k]], level)
            return low > 0 or high < 0

        while True:
            done, _ = decided_together(decided, claims, ALPHA)
            more = [k for k in range(claims) if k not in done and lengths[k] < 24]
            if not more:
                break
            lengths[more] += 4
        wrong = sum(effects[k] == 0 for k in done)
        shares.append(wrong / max(len(done), 1))
        assert len(done) >= 8  # effects of two standard deviations are seen
    assert np.mean(shares) <= ALPHA
