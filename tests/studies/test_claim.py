"""Claims: which means their effects are made of."""

import numpy as np
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.reading import read_record
from cnn_anatomy.studies.study import Study, StudyFile, Table

DEPTHS = [{"model.depth": depth} for depth in (8, 14, 20, 26, 32)]
SIDES = {"treatment": DEPTHS[-1], "control": DEPTHS[0]}


def claim(**keys):
    words = {"id": "a", "statement": "b", "source": "c", "metric": "macs", "better": "higher"}
    return Claim(**words, **{"matters": 1, **SIDES, **keys})


def test_a_comparison_is_a_difference():
    assert claim().sides == (("treatment", 1, DEPTHS[-1]), ("control", -1, DEPTHS[0]))
    assert claim(control=3).sides[1] == ("control", -1, 3)


def test_an_interaction_is_a_difference_of_differences():
    than = {"treatment": {"skip": "a"}, "control": {"skip": "b"}}
    assert claim(than=than).sides[2:] == (
        ("treatment", -1, {"skip": "a"}),
        ("control", 1, {"skip": "b"}),
    )


@given(st.lists(st.floats(-10, 10), min_size=3, max_size=5))
def test_a_trend_is_the_change_along_the_fitted_line(means):
    between = DEPTHS[1 : len(means) - 1]
    sides = claim(through=between).sides
    assert [side.where for side in sides] == [DEPTHS[0], *between, DEPTHS[-1]]
    weights = [side.weight for side in sides]
    slope, _ = np.polyfit(np.arange(len(means)), means, 1)
    assert np.dot(weights, means) == pytest.approx(slope * (len(means) - 1), abs=1e-9)
    assert sum(weights) == pytest.approx(0)


def test_a_claim_is_of_one_kind(tmp_path):
    content = {"question": "a", "reading": "b", "table": {"rows": ["skip"], "metrics": ["macs"]}}
    words = {"id": "a", "statement": "b", "source": "c", "metric": "macs", "better": "higher"}
    wrong = {
        "must not have both than": {"than": SIDES, "through": [DEPTHS[1]]},
        "must have no number as its control": {"than": SIDES, "control": 3},
    }
    for sentence, keys in wrong.items():
        broken = {**words, "matters": 1, **SIDES, **keys}
        file = tmp_path / "odd.yaml"
        file.write_text(yaml.safe_dump({**content, "grid": {"skip": ["a"]}, "claims": [broken]}))
        with pytest.raises(ConfigError, match=sentence):
            read_record(file, StudyFile)


def test_a_study_measures_what_its_premises_need():
    stated = claim(premises=[{"metric": "params/total", "within": 0.1}])
    table = Table(rows=("skip",), metrics=("test/accuracy",))
    study = Study(name="s", question="", reading="", table=table, grid={"skip": ("a",)},
                  claims=(stated,))  # fmt: skip
    assert study.metrics == ("test/accuracy", "macs", "params/total")
