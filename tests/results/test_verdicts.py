"""Statistics of paired seeds, and the verdicts they lead to."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.statistics import holm, paired_difference, sign_flip
from cnn_anatomy.results.verdicts import correct, judge
from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.study import load_study, study_names


def claim(better="higher", matters=0.01, metric="test/accuracy", **sides):
    sides = {"treatment": {"skip": "identity"}, "control": {"skip": "none"}, **sides}
    return Claim(
        id="s",
        statement="It helps.",
        source="someone",
        metric=metric,
        better=better,
        matters=matters,
        **sides,
    )


def sweep(treatment, control, metric="test/accuracy"):
    rows = [
        {
            "variant": f"skip={skip}",
            "seed": seed,
            "status": "FINISHED",
            "params.skip": skip,
            f"metrics.{metric}": value,
        }
        for skip, values in (("identity", treatment), ("none", control))
        for seed, value in enumerate(values)
    ]
    return Sweep("s", "parent", pd.DataFrame(rows))


def word(treatment, control, **kind):
    made = claim(**kind)
    (verdict,) = correct(judge("s", [made], sweep(treatment, control, made.metric)))
    return verdict.word, verdict.reason


def test_sign_flip_counts_signs():
    assert sign_flip(np.array([1.0, 2.0, 3.0, 4.0, 5.0])) == 2 / 2**5
    assert sign_flip(np.array([1.0, -1.0])) == 1
    assert sign_flip(np.array([3.0, -1.0])) == 1  # |±3 ± 1| / 2: all four reach 1
    assert sign_flip(np.array([0.0, 0.0, 0.0])) == 1


@given(st.lists(st.floats(-10, 10), min_size=1, max_size=10))
def test_sign_flip_is_a_p_value_and_does_not_see_direction(values):
    x = np.array(values)
    assert 2 / 2 ** len(x) <= sign_flip(x) <= 1 or len(x) == 1
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


def test_words():
    rng = np.random.default_rng(0)
    low, high = rng.normal(0.5, 0.02, 10), rng.normal(0.8, 0.02, 10)
    assert word(high, low) == ("supported", "")
    assert word(low, high) == ("refuted", "")
    assert word(low, high, better="lower") == ("supported", "")
    assert word(high[:4], low[:4]) == ("inconclusive", "4 seeds are too few")
    near = low + rng.normal(0, 0.001, 10)
    assert word(near, low) == ("inconclusive", "the difference is smaller than what matters")
    noise = low + rng.normal(0, 0.2, 10)
    assert word(noise, low)[0] == "inconclusive"


def test_nearer_zero_looks_at_size_only():
    rng = np.random.default_rng(0)
    wild, tame = rng.normal(-3, 0.1, 10), rng.normal(0.2, 0.1, 10)
    decided = {"better": "nearer zero", "metric": "gradient/decay", "matters": 1}
    assert word(tame, wild, **decided)[0] == "supported"
    assert word(wild, tame, **decided)[0] == "refuted"


def test_counts_are_decided_exactly_whatever_n():
    kind = {"better": "lower", "metric": "params/total", "matters": 1}
    assert word([99], [100], **kind) == ("supported", "")
    assert word([100], [100], **kind) == ("refuted", "")


def test_many_claims_are_corrected_together():
    rng = np.random.default_rng(0)
    low, high = rng.normal(0.5, 0.02, 8), rng.normal(0.8, 0.02, 8)
    several = correct(judge("s", [claim()] * 20, sweep(high, low)))
    assert {v.word for v in several} == {"inconclusive"}  # 20 × 2/2⁸ > 0.05
    assert several[0].p == pytest.approx(20 * 2 / 2**8)


def test_of_true_nulls_no_more_than_one_in_twenty_is_decided():
    rng = np.random.default_rng(0)
    decided = 0
    for _ in range(600):
        noise = rng.normal(0, 0.05, (2, 10))
        decided += word(0.5 + noise[0], 0.5 + noise[1], matters=0)[0] != "inconclusive"
    assert decided / 600 <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / 600)


def test_a_side_that_picks_several_variants_is_refused():
    runs = sweep([0.5], [0.6])
    runs.runs["params.norm"] = "batch"
    with pytest.raises(ConfigError, match="claim s: treatment picks several variants"):
        judge("s", [claim(treatment={"norm": "batch"})], runs)


def test_claims_have_names_of_their_own():
    ids = [c.id for name in study_names() for c in load_study(name).claims]
    assert len(ids) == len(set(ids)) >= 20
