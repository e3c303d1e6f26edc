"""What the command line of a sweep asks for."""

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.sweep.request import parse_sweep


def parsed(*words, seeds=None, **more):
    return parse_sweep(OverridesParser.create().parse_overrides(list(words)), seeds, **more)


def test_a_study_alone_is_its_preset():
    request = parsed("study=skip")
    assert request.preset
    assert len(request.runs) == 24
    assert {r.seed for r in request.runs} == {0, 1, 2}


@pytest.mark.parametrize("change", ["data=digits", "trainer.max_epochs=1", "seed=4"])
def test_an_override_makes_it_another_sweep(change):
    assert not parsed("study=skip", change).preset
    assert not parsed("study=skip", seeds=2).preset
    assert parsed("study=skip", seeds=5).preset  # more of the same


def test_an_override_goes_to_every_run_after_the_studys_own():
    request = parsed("study=skip,aux", "model.width=4", seeds=1)
    assert len(request.runs) == 8 + 3
    assert all(r.overrides[-1] == "model.width=4" for r in request.runs)


def test_swept_overrides_are_a_study_of_their_own():
    request = parsed("pooling=max,avg", "model.depth=8,14", "norm=none", seeds=2)
    assert [s.name for s in request.studies] == ["adhoc"]
    assert request.studies[0].table.rows == ("pooling", "model.depth")
    assert len(request.runs) == 8
    assert request.runs[0].overrides == ("norm=none", "pooling=max", "model.depth=8")


def test_a_setting_is_the_preset_too_and_needs_its_variable(monkeypatch):
    monkeypatch.setenv("CNN_ANATOMY_IMAGES", "/images")
    request = parsed("study=skip", setting="photos")
    assert request.preset
    assert [s.name for s in request.studies] == ["skip/photos"]
    assert {r.seed for r in request.runs} == set(range(5))
    both = parsed("study=skip,pooling", setting="all")
    names = {"pooling", "pooling/fitted", "pooling/photos", "skip", "skip/photos"}
    assert {s.name for s in both.studies} == names
    monkeypatch.delenv("CNN_ANATOMY_IMAGES")
    with pytest.raises(
        ConfigError, match=r"study=skip in the setting photos needs .* CNN_ANATOMY_IMAGES: give"
    ):
        parsed("study=skip", setting="photos")
    assert parsed("study=skip", setting="digits").runs == parsed("study=skip").runs


@pytest.mark.parametrize(("words", "budget"), [("pooling=max", None), ("study=he2015", "smoke")])
def test_only_a_study_has_settings(words, budget):
    with pytest.raises(ConfigError, match=r"hydra.sweeper.setting=wide .* is of a study"):
        parsed(words, budget=budget, setting="wide")


def test_seeds_may_be_named():
    assert [r.seed for r in parsed("pooling=max", "seed=3,5").runs] == [3, 5]


@pytest.mark.parametrize(
    ("words", "seeds", "message"),
    [
        (["study=nope"], None, "study=nope is none of"),
        (["study=skip", "pooling=max,avg"], None, "pooling=max,avg sweeps beside study=skip"),
        (["study=skip", "seed=x"], None, "seed=x is no whole number"),
        (["study=skip"], 0, "hydra.sweeper.seeds=0 is below 1"),
    ],
)
def test_nonsense_is_refused(words, seeds, message):
    with pytest.raises(ConfigError, match=message):
        parsed(*words, seeds=seeds)
