"""Where a claim holds, from the verdicts on it in several settings."""

import pytest

from cnn_anatomy.results.across_settings import across_settings
from cnn_anatomy.results.sequential import SequentialEstimate
from cnn_anatomy.results.statistics import Estimate
from cnn_anatomy.results.verdicts import Verdict
from cnn_anatomy.studies.claim import Claim

CLAIM = Claim(
    id="s1",
    statement="It helps.",
    source="someone",
    metric="test/accuracy",
    better="higher",
    treatment={"variant": "a"},
    control={"variant": "b"},
    matters=0.02,
)
HOLDS, OPEN, REFUTES = (Estimate(v, 0.001, 20.0, 11) for v in (0.1, 0.02, -0.1))


def judged(**effects):
    """Return the claim with an effect in each setting, the first of which is the study's own."""
    verdicts = [
        Verdict(f"x/{s}" if i else "x", CLAIM, False, (0.5, 0.4), e, setting=s)
        for i, (s, e) in enumerate(effects.items())
    ]
    (across,) = across_settings(verdicts)
    return across


@pytest.mark.parametrize(
    ("effects", "sentence"),
    [
        ({"digits": HOLDS, "photos": HOLDS}, "holds in digits and photos"),
        ({"digits": HOLDS, "photos": OPEN}, "holds in digits, inconclusive in photos"),
        ({"a": HOLDS, "b": REFUTES, "c": HOLDS, "d": HOLDS}, "holds in a, c and d, refuted in b"),
        ({"digits": REFUTES, "photos": None}, "refuted in digits, not measured in photos"),
    ],
)
def test_a_sentence_says_where_a_claim_holds(effects, sentence):
    assert judged(**effects).sentence == sentence


def test_only_claims_of_several_settings_are_compared_and_claims_of_two_studies_are_not_mixed():
    one = Verdict("x", CLAIM, False, (0.5, 0.4), HOLDS, setting="digits")
    other = Verdict("y", CLAIM, False, (0.5, 0.4), HOLDS, setting="digits")
    assert across_settings([one, other]) == []


def test_what_has_a_premise_unmet_or_no_standard_error_is_not_pooled():
    across = judged(digits=HOLDS, photos=OPEN)
    assert across.pooled.value == pytest.approx(0.06)
    first, second = across.verdicts
    unmet = Verdict("x/photos", CLAIM, False, (0.5, 0.4), OPEN, "it is 0.1", setting="photos")
    assert across_settings([first, unmet])[0].pooled is None
    assert judged(digits=HOLDS, photos=SequentialEstimate((0.1, 0.2, 0.1))).pooled is None
    assert judged(digits=HOLDS, photos=None).pooled is None
    exact = [Verdict(v.study, CLAIM, True, v.means, v.effect) for v in (first, second)]
    assert across_settings(exact)[0].pooled is None
