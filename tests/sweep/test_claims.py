"""A claim that no planned run can decide is refused before one is trained."""

import pytest
from hydra import compose, initialize_config_dir

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import CONF
from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.study import Study, Table, load_study, study_names
from cnn_anatomy.sweep.claims import check_metrics, check_sides


def study(treatment, control, metric="macs", **more):
    claim = Claim(
        id="x",
        statement="s",
        source="t",
        metric=metric,
        better="higher",
        treatment=treatment,
        control=control,
        matters=1,
        **more,
    )
    return Study(
        name="mine",
        question="?",
        reading="",
        table=Table(rows=("variant",), metrics=("macs",)),
        variants={
            "plain": ("skip=none",),
            "frozen": ("skip=identity", "freeze=layers", "freeze.layers=3"),
            "deep": ("skip=identity", "model.depth=14"),
        },
        claims=(claim,),
        seeds=1,
    )


def check(studies):
    runs = [run for study in studies for run in study.runs([0])]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        variants = {
            run.overrides: compose("train", list(run.overrides), return_hydra_config=True)
            for run in runs
        }
    check_sides(studies, runs, variants)


@pytest.mark.parametrize(
    ("treatment", "control"),
    [
        ({"variant": "deep"}, {"skip": "none"}),
        ({"skip": "identity", "model.depth": 14}, 3),
        ({"freeze.layers": 3}, {"freeze.layers": 0, "skip": "none"}),  # 0 is known after building
        ({"skip": "identity", "model.depth": "14"}, {"freeze": "none", "skip": "none"}),
    ],
)
def test_sides_that_pick_one_variant_each(treatment, control):
    check([study(treatment, control)])


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ({"skip": "idntity"}, r"control picks no variant .*: skip=idntity is none of none, iden"),
        ({"variant": "depe"}, r"variant=depe is none of plain, frozen, deep \(did you mean deep"),
        ({"skip": "none", "model.depth": 14}, "none has skip=none, model.depth=14 together"),
        ({"skip": "identity"}, r"control=skip=identity picks several variants: frozen, deep;"),
    ],
)
def test_a_side_that_picks_none_or_several_is_refused(where, said):
    with pytest.raises(ConfigError, match=rf"^mine: claims\[x\]\..*{said}"):
        check([study({"variant": "deep"}, where)])


def test_the_sides_of_an_interaction_and_a_trend_are_checked_too():
    good, bad = {"skip": "none"}, {"skip": "non"}
    with pytest.raises(ConfigError, match=r"claims\[x\]\.control picks no variant"):
        check([study(good, good, than={"treatment": good, "control": bad})])
    with pytest.raises(ConfigError, match=r"claims\[x\]\.between picks no variant"):
        check([study(good, good, through=[bad])])


def test_a_metric_is_refused_by_the_claim_that_asks_for_it():
    with pytest.raises(ConfigError, match=r"^mine: claims\[x\]\.metric=test/acuracy is none of "):
        check_metrics([study({"skip": "none"}, 1, "test/acuracy")])
    premise = {"metric": "mac", "within": 0.1}
    with pytest.raises(ConfigError, match=r"^mine: claims\[x\]\.premises\.metric=mac is none of"):
        check_metrics([study({"skip": "none"}, 1, premises=[premise])])


def test_every_study_of_ours_passes():
    studies = [load_study(name) for name in study_names()]
    check_metrics(studies)
    check(studies)
