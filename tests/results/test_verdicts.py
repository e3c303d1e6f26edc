"""Verdicts on claims, from paired seeds."""

import numpy as np
import pandas as pd
import pytest

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.verdicts import correct_p_values, judge_claims
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
    tested = claim(**kind)
    runs = sweep(treatment, control, tested.metric)
    (verdict,) = correct_p_values(judge_claims("s", [tested], runs))
    return verdict.word, verdict.reason


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
    several = correct_p_values(judge_claims("s", [claim()] * 20, sweep(high, low)))
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
        judge_claims("s", [claim(treatment={"norm": "batch"})], runs)


def test_claims_have_names_of_their_own():
    ids = [c.id for name in study_names() for c in load_study(name).claims]
    assert len(ids) == len(set(ids)) >= 20
