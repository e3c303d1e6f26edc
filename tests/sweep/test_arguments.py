"""What a sweep's command line comes to."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.sweep.arguments import parse


def parsed(*words, seeds=None):
    return parse(OverridesParser.create().parse_overrides(list(words)), seeds)


def test_a_study_alone_is_its_preset():
    asked = parsed("study=skip")
    assert asked.preset
    assert len(asked.runs) == 24
    assert {r.seed for r in asked.runs} == {0, 1, 2}


@pytest.mark.parametrize("change", ["data=digits", "trainer.max_epochs=1", "seed=4"])
def test_an_override_makes_it_another_sweep(change):
    assert not parsed("study=skip", change).preset
    assert not parsed("study=skip", seeds=2).preset
    assert parsed("study=skip", seeds=5).preset  # more of the same


def test_an_override_goes_to_every_run_after_the_studys_own():
    asked = parsed("study=skip,aux", "model.width=4", seeds=1)
    assert len(asked.runs) == 8 + 3
    assert all(r.overrides[-1] == "model.width=4" for r in asked.runs)


def test_swept_overrides_are_a_study_of_their_own():
    asked = parsed("pooling=max,avg", "model.depth=8,14", "norm=none", seeds=2)
    assert [s.name for s in asked.studies] == ["adhoc"]
    assert asked.studies[0].table.rows == ("pooling", "model.depth")
    assert len(asked.runs) == 8
    assert asked.runs[0].overrides == ("norm=none", "pooling=max", "model.depth=8")


def test_seeds_may_be_named():
    assert [r.seed for r in parsed("pooling=max", "seed=3,5").runs] == [3, 5]


@pytest.mark.parametrize(
    ("words", "seeds", "said"),
    [
        (["study=nope"], None, "study=nope is none of"),
        (["study=skip", "pooling=max,avg"], None, "pooling=max,avg sweeps beside study=skip"),
        (["study=skip", "seed=x"], None, "seed=x is no whole number"),
        (["study=skip"], 0, "hydra.sweeper.seeds=0 is below 1"),
    ],
)
def test_what_has_no_meaning_is_refused(words, seeds, said):
    with pytest.raises(ConfigError, match=said):
        parsed(*words, seeds=seeds)
