"""Deciding many claims together, held against a worked example and simulation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_anatomy.results.multiplicity import decided_together
from cnn_anatomy.results.statistics import independent_sum

ALPHA = 0.05
LEVELS = st.lists(st.floats(1e-6, 0.2), min_size=1, max_size=30)


def decide(needed, alpha=ALPHA):
    """Decide claims by the level from which on each is decided."""
    return decided_together(lambda k, level: level >= needed[k], len(needed), alpha)


def test_the_level_follows_the_number_of_decided_claims():
    unit = ALPHA / (4 * (1 + 1 / 2 + 1 / 3 + 1 / 4))
    claims, level = decide([0.001, 2.5 * unit, 2.9 * unit, 0.2])
    assert claims == {0, 1, 2}
    assert level == pytest.approx(3 * unit)
    assert decide([1.0] * 4) == (frozenset(), pytest.approx(unit))
    assert decide([0.04]) == (frozenset({0}), pytest.approx(ALPHA))
    assert decide([]) == (frozenset(), ALPHA)


@given(LEVELS)
def test_as_many_are_decided_as_the_level_says(needed):
    claims, level = decide(needed)
    assert claims == {k for k, at in enumerate(needed) if level >= at}
    h = sum(1 / k for k in range(1, len(needed) + 1))
    assert level == pytest.approx(ALPHA * max(len(claims), 1) / len(needed) / h)


@pytest.mark.parametrize("more", [1, 10, 50])
def test_claims_that_cannot_be_decided_leave_the_others_decided(more):
    assert ALPHA / (50 + more) < 0.002  # Bonferroni's level, at which none would be
    assert decide([0.002] * 50 + [1.0] * more)[0] == frozenset(range(50))


@pytest.mark.parametrize("truth", [0.0, 3.0])
def test_a_shared_control_does_not_raise_the_share_of_false_verdicts(truth):
    random = np.random.default_rng(0)
    effects = np.where(np.arange(20) < 15, 0.0, truth)
    shares = []
    for _ in range(300):
        control = random.normal(0, 1, 11)
        sides = random.normal(effects[:, None], 1, (20, 11))
        estimates = [independent_sum([side, control], [1, -1]) for side in sides]

        def decided(k, level, estimates=estimates):
            low, high = estimates[k].interval(level)
            return low > 0 or high < 0

        claims, _ = decided_together(decided, 20, ALPHA)
        shares.append(sum(effects[k] == 0 for k in claims) / max(len(claims), 1))
    assert np.mean(shares) <= ALPHA
