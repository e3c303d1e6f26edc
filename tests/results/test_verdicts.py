"""Verdicts on claims, from runs with known values."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.results.premises import unmet_premise
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.statistics import Interval
from cnn_anatomy.results.verdicts import (
    decide,
    judge_claims,
    judge_together,
    refutation,
    verdicts_without_runs,
)
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
    (verdict,) = judge_together(judge_claims("s", [tested], runs))
    return verdict.word, verdict.reason


def four(**values):
    """Return a sweep of the variants a to d, five runs each, with a metric in each."""
    rows = [
        {
            "variant": name,
            "seed": seed,
            "status": "FINISHED",
            "metrics.test/accuracy": value + seed / 1000,
            "metrics.macs": macs,
        }
        for name, (value, macs) in values.items()
        for seed in range(5)
    ]
    return Sweep("s", "parent", pd.DataFrame(rows))


VARIANTS = {name: {"variant": name} for name in "abcd"}


@pytest.mark.parametrize(
    ("low", "high", "matters", "expected"),
    [
        (0.01, 0.05, 0.01, ("supported", "")),
        (0.009, 0.05, 0.01, ("inconclusive", "")),
        (-0.03, 0.01, 0.01, ("inconclusive", "")),
        (-0.03, -0.011, 0.01, ("refuted", "the opposite")),
        (-0.01, 0.009, 0.01, ("refuted", "no difference that matters")),
        (-0.03, 0.009, 0.01, ("refuted", "less than matters")),
        (0.001, 0.05, 0, ("supported", "")),
        (-0.05, -0.001, 0, ("refuted", "the opposite")),
        (-0.05, 0.001, 0, ("inconclusive", "")),
        (0, 0, 0, ("refuted", "no difference that matters")),
    ],
)
def test_one_interval_decides(low, high, matters, expected):
    interval = Interval(low, high)
    kind = refutation(interval, matters) if expected[0] == "refuted" else ""
    assert (decide(interval, matters), kind) == expected


def test_words():
    rng = np.random.default_rng(0)
    low, high = rng.normal(0.5, 0.02, 10), rng.normal(0.8, 0.02, 10)
    assert word(high, low) == ("supported", "")
    assert word(high[:3], low[:3]) == ("supported", "")
    assert word(low, high) == ("refuted", "the opposite")
    assert word(low, high, better="lower") == ("supported", "")
    assert word(high[:1], low[:1]) == ("inconclusive", "a single seed has no interval")
    near = 0.5 + rng.normal(0, 0.001, (2, 10))
    assert word(*near) == ("refuted", "no difference that matters")
    noise = low + np.linspace(-0.3, 0.3, 10)
    assert word(noise, low) == ("inconclusive", "the 95 % interval holds 1.0 points")
    (idle,) = judge_claims("s", [claim(treatment={"skip": "dense"})], sweep(high, low))
    assert (idle.word, idle.reason) == ("inconclusive", "no runs")


def test_nearer_zero_looks_at_size_only():
    rng = np.random.default_rng(0)
    wild, tame = rng.normal(-3, 0.1, 10), rng.normal(0.2, 0.1, 10)
    decided = {"better": "nearer zero", "metric": "gradient/decay", "matters": 1}
    assert word(tame, wild, **decided)[0] == "supported"
    assert word(wild, tame, **decided)[0] == "refuted"


def test_counts_are_decided_exactly_whatever_n():
    kind = {"better": "lower", "metric": "params/total", "matters": 1}
    assert word([99], [100], **kind) == ("supported", "")
    assert word([100], [100], **kind) == ("refuted", "no difference that matters")
    assert word([1000], [100], **kind) == ("refuted", "the opposite")


def test_sides_that_are_paired_by_design_are_compared_by_seed():
    control = np.linspace(0, 1, 8)
    treatment = control + 0.1 + np.tile([-0.01, 0.01], 4)
    assert word(treatment, control)[0] == "inconclusive"
    assert word(treatment, control, paired=True) == ("supported", "")


def test_a_number_has_no_variance():
    runs = sweep([0.5, 0.6, 0.7], [0.5])
    (verdict,) = judge_claims("s", [claim(control=0.2)], runs)
    assert verdict.interval == pytest.approx(stats.ttest_1samp([0.3, 0.4, 0.5], 0)
                                             .confidence_interval())  # fmt: skip
    assert verdict.means == pytest.approx((0.6, 0.2))


def test_an_interaction_compares_two_differences():
    runs = four(a=(0.8, 1), b=(0.5, 1), c=(0.7, 1), d=(0.6, 1))
    than = {"treatment": VARIANTS["c"], "control": VARIANTS["d"]}
    stated = claim(treatment=VARIANTS["a"], control=VARIANTS["b"], than=than, matters=0.19)
    (verdict,) = judge_claims("s", [stated], runs)
    assert verdict.effect.value == pytest.approx((0.8 - 0.5) - (0.7 - 0.6))
    assert verdict.word == "supported"
    (lower,) = judge_claims("s", [stated.model_copy(update={"better": "lower"})], runs)
    assert lower.interval == pytest.approx((-verdict.interval.high, -verdict.interval.low))
    assert (lower.word, lower.reason) == ("refuted", "the opposite")


def test_a_trend_needs_every_variant():
    runs = four(a=(0.5, 1), b=(0.6, 1), c=(0.7, 1), d=(0.8, 1))
    ends = {"control": VARIANTS["a"], "treatment": VARIANTS["d"], "matters": 0.25}
    whole = claim(**ends, through=[VARIANTS["b"], VARIANTS["c"]])
    (verdict,) = judge_claims("s", [whole], runs)
    assert verdict.effect.value == pytest.approx(0.3)
    assert verdict.word == "supported"
    (missing,) = judge_claims("s", [claim(**ends, through=[{"variant": "e"}])], runs)
    assert (missing.word, missing.reason) == ("inconclusive", "no runs")


@pytest.mark.parametrize(
    ("premise", "reason"),
    [
        ({"metric": "macs", "within": 0.1}, "MACs is 2.00 × 10⁶ to 3.00 × 10⁶, which differ by "
                                            "50 % of the smaller, more than 10 %"),
        ({"metric": "macs", "within": 0.5}, None),
        ({"metric": "test/accuracy", "of": "control", "at_least": 0.6},
         "test accuracy of the control is 50.2 % [50.0, 50.4], not at least 60.0 %"),
        ({"metric": "test/accuracy", "of": "treatment", "at_least": 0.6}, None),
        ({"metric": "test/accuracy", "at_most": 0.6},
         "test accuracy is 80.2 % [80.0, 80.4], not at most 60.0 %"),
        ({"metric": "train/loss", "at_most": 0.6}, "train loss was not measured"),
    ],
)  # fmt: skip
def test_without_its_premise_a_claim_has_no_verdict(premise, reason):
    runs = four(a=(0.8, 2e6), b=(0.5, 3e6))
    sides = {"treatment": VARIANTS["a"], "control": VARIANTS["b"]}
    (verdict,) = judge_claims("s", [claim(**sides, premises=[premise])], runs)
    expected = ("supported", "") if reason is None else ("premise unmet", reason)
    assert (verdict.word, verdict.reason) == expected


def test_a_premise_is_met_if_the_interval_lies_on_the_right_side_of_its_bound():
    values = pd.Series([0.5, 0.6, 0.7])  # mean 0.6; half-width 4.303 × 0.1 ÷ √3 = 0.248
    sides = {"treatment": VARIANTS["a"], "control": 0.0}

    def unmet(values, **bound):
        stated = claim(**sides, premises=[{"metric": "test/accuracy", **bound}])
        return unmet_premise(stated, lambda name, side: values)

    mean = "test accuracy is 60.0 % [35.2, 84.8]"
    assert unmet(values, at_least=0.35) is None
    assert unmet(values, at_least=0.36) == (f"{mean}, not surely at least 36.0 %", True)
    assert unmet(values, at_least=0.85) == (f"{mean}, not at least 85.0 %", False)
    assert unmet(values, at_most=0.85) is None
    assert unmet(values, at_most=0.84) == (f"{mean}, not surely at most 84.0 %", True)
    assert unmet(values, at_most=0.35) == (f"{mean}, not at most 35.0 %", False)
    one = "test accuracy is 50.0 %"  # of one seed there is no interval
    assert unmet(values[:1], at_least=0.5) is None
    assert unmet(values[:1], at_least=0.51) == (f"{one}, not at least 51.0 %", False)
    assert unmet(values[:0], at_least=0.5) == ("test accuracy was not measured", False)


def test_more_seeds_are_worth_it_where_a_premise_is_only_unsure():
    runs = four(a=(0.8, 2e6), b=(0.5, 3e6))
    sides = {"treatment": VARIANTS["a"], "control": VARIANTS["b"]}
    for bound, is_open in ((0.6, False), (0.502, True)):
        stated = claim(
            **sides, premises=[{"metric": "test/accuracy", "of": "control", "at_least": bound}]
        )
        (verdict,) = judge_claims("s", [stated], runs)
        assert (verdict.word, verdict.is_open) == ("premise unmet", is_open)


def test_many_claims_share_the_level_of_their_intervals():
    rng = np.random.default_rng(0)
    low, high = rng.normal(0.5, 0.02, 8), rng.normal(0.8, 0.02, 8)
    clear, near = sweep(high, low), sweep(low + 0.026, low)
    (alone,) = judge_together(judge_claims("s", [claim()], near))
    assert alone.word == "supported"
    verdicts = judge_claims("s", [claim()], near) + judge_claims("s", [claim()] * 20, clear)
    first, *others = judge_together(verdicts)
    assert {v.word for v in others} == {"supported"}
    h = sum(1 / k for k in range(1, 22))
    assert first.level == pytest.approx(0.05 * 20 / 21 / h)
    assert first.word == "inconclusive"
    assert first.reason == (
        f"the {100 * (1 - first.level):.4g} % interval holds 1.0 points, "
        "though the 95 % interval does not"
    )


def test_counts_and_claims_without_runs_do_not_count():
    rng = np.random.default_rng(0)
    runs = sweep(rng.normal(0.8, 0.02, 8), rng.normal(0.5, 0.02, 8))
    count = judge_claims("s", [claim(metric="macs")], sweep([1, 1], [1, 1], "macs"))
    idle = verdicts_without_runs("s", [claim()])
    assert judge_together(judge_claims("s", [claim()], runs) + count + idle)[0].level == 0.05


@given(
    st.lists(st.integers(0, 100), min_size=4, max_size=8),
    st.lists(st.integers(0, 100), min_size=4, max_size=8),
    st.integers(-50, 50),
)
def test_verdicts_do_not_depend_on_the_origin_and_mirror_with_the_sides(a, b, origin):
    scaled = [np.array(x) / 100 for x in (a, b)]
    (verdict,) = judge_claims("s", [claim()], sweep(*scaled))
    (moved,) = judge_claims("s", [claim()], sweep(*(x + origin / 100 for x in scaled)))
    assert moved.interval == pytest.approx(verdict.interval, abs=1e-9)
    (mirrored,) = judge_claims("s", [claim()], sweep(*scaled[::-1]))
    low, high = verdict.interval
    assert mirrored.interval == pytest.approx((-high, -low), abs=1e-9)


def test_a_side_that_picks_several_variants_is_refused():
    runs = sweep([0.5], [0.6])
    runs.runs["params.norm"] = "batch"
    with pytest.raises(ConfigError, match="claim s: treatment picks several variants"):
        judge_claims("s", [claim(treatment={"norm": "batch"})], runs)


def test_claims_have_names_of_their_own():
    ids = [c.id for name in study_names() for c in load_study(name).claims]
    assert len(ids) == len(set(ids)) >= 20
