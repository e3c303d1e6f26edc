"""What of a claim is registered: what is judged, and no prose."""

import pytest

from cnn_anatomy.studies.registration import claim_hashes, registration
from cnn_anatomy.studies.study import Study

CLAIM = {
    "id": "p1",
    "statement": "Blur helps.",
    "source": "someone",
    "metric": "test/accuracy",
    "better": "higher",
    "treatment": {"pooling": "blur_max", "model.depth": 20},
    "control": {"variant": "plain"},
    "matters": 0.02,
    "premises": [{"metric": "macs", "within": 0.1}],
    "scope": "digits",
}


def study(*claims, plain=("pooling=max",), question="Does it?"):
    table = {"rows": ["pooling"], "metrics": ["test/accuracy"]}
    variants = {"plain": plain, "blur": ["pooling=blur_max"]}
    keys = {"name": "s", "question": question, "reading": "", "table": table}
    return Study(**keys, variants=variants, claims=claims)


@pytest.mark.parametrize(
    "change",
    [
        {"statement": "Blur pooling helps."},
        {"source": "another", "scope": "small digits"},
        {"treatment": {"model.depth": "20", "pooling": "blur_max"}},  # MLflow's params are text
        {"than": None, "paired": False},  # the defaults
    ],
)
def test_wording_does_not_count(change):
    registered = registration(study(CLAIM))
    changes = registered.changes(study({**CLAIM, **change}, question="Does blurring help?"))
    assert changes == {"changed": [], "added": [], "dropped": []}


@pytest.mark.parametrize(
    "change",
    [
        {"metric": "val/accuracy"},
        {"better": "lower"},
        {"treatment": {"pooling": "blur_max", "model.depth": 14}},
        {"control": 0.5},
        {"control": {"pooling": "max"}},
        {"matters": 0.01},
        {"paired": True},
        {"premises": []},
        {"premises": [{"metric": "macs", "within": 0.2}]},
        {"through": [{"pooling": "avg"}]},
    ],
)
def test_what_is_judged_counts(change):
    assert registration(study(CLAIM)).changes(study({**CLAIM, **change}))["changed"] == ["p1"]


def test_a_variant_counts_by_its_overrides():
    registered = registration(study(CLAIM))
    other = study(CLAIM, plain=("pooling=max", "model.width=8"))
    assert registered.changes(other)["changed"] == ["p1"]


def test_claims_that_come_and_go_are_named():
    second = {**CLAIM, "id": "p2"}
    changes = registration(study(CLAIM)).changes(study(second))
    assert changes == {"changed": [], "added": ["p2"], "dropped": ["p1"]}
    assert claim_hashes(study(CLAIM))["p1"] == claim_hashes(study(second))["p2"]
