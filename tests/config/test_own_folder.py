"""Classes and configurations of a user's own, in a folder outside the repository."""

import sys
from pathlib import Path

import pytest
from helpers import environment
from mlflow import MlflowClient
from processes import TRAIN, ended, start

from cnn_anatomy.config.search_path import add_config_folders, config_folders, longer_search_path
from cnn_anatomy.config.signatures import UNKNOWN, signature
from cnn_anatomy.config.words import composable, option_values, options_first
from cnn_anatomy.core.paths import CONF

CLASSES = """
import dataclasses
from dataclasses import KW_ONLY, dataclass, field
from typing import ClassVar
from torch import nn

class Quarter(nn.Module):
    def __init__(self, channels, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x[..., ::2, ::2] * self.factor

@dataclass
class Base:
    root: str
    size: int = 8

@dataclass
class Further(Base):
    kind: ClassVar[int] = 3
    _: KW_ONLY
    names: list = field(default_factory=list)
    rate: float = dataclasses.field(default=0.5)
    made: int = field(init=False)
    scale: float = field(kw_only=True)
    size: int = 9
"""
DATA = """
_target_: cnn_anatomy.data.ImageData
source: {_target_: cnn_anatomy.data.digits.Digits, seed: 0}
seed: ${seed}
"""
TINY = ("model.width=4", "model.depth=8", "trainer.max_epochs=1", "data.train_limit=40")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Return a folder with a module `owned` and options in `conf`."""
    (tmp_path / "owned.py").write_text(CLASSES)
    for group, name, text in (
        ("pooling", "quarter", "{_target_: owned.Quarter, _partial_: true, factor: 2}"),
        ("data", "mine", DATA),
    ):
        (tmp_path / "conf" / group).mkdir(parents=True)
        (tmp_path / "conf" / group / f"{name}.yaml").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("owned", None)


def run(folder, uri, *words, status=0):
    return ended(start(folder, *TRAIN, *words, env=environment(folder, uri)), status)


def params(uri):
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("adhoc").experiment_id
    runs = client.search_runs([experiment], "tags.kind = 'run'")
    assert {r.info.status for r in runs} == {"FINISHED"}
    return [r.data.params for r in runs]


def test_the_fields_of_a_dataclass_and_their_defaults_are_seen(folder):
    further = signature("owned.Further")
    assert list(further.parameters) == ["root", "size", "names", "rate", "scale"]
    assert further.defaults == {"size": 9, "names": UNKNOWN, "rate": 0.5}
    assert further.attributes["kind"] == 3


def test_options_come_before_overrides():
    words = ["-m", "a=1", "--config-dir", "conf", "b=2", "--cfg=job", "a=1"]
    assert options_first(words) == ["-m", "--config-dir", "conf", "--cfg=job", "a=1", "b=2", "a=1"]
    assert option_values(words, "--config-dir", "-cd") == ["conf"]
    assert option_values(["-cd=conf"], "--config-dir", "-cd") == ["conf"]


def test_only_the_setting_of_an_option_adds_its_key():
    words = ["pooling.size=5", "trainer.x=1", "+pooling.a=1", "pooling=max", "~data.seed", "seed=1"]
    assert composable(words) == [
        *("++pooling.size=5", "++trainer.x=1", "+pooling.a=1", "pooling=max", "~data.seed"),
        "seed=1",
    ]


def test_folders_are_those_of_hydra(folder, monkeypatch):
    monkeypatch.chdir(folder)
    try:
        add_config_folders(["conf"], ["hydra.searchpath=[file://a,pkg://hydra.conf]"])
        package = Path(sys.modules["hydra"].__path__[0]) / "conf"
        assert config_folders() == (CONF, folder / "a", package, folder / "conf")
    finally:
        add_config_folders([], [])


def test_a_longer_search_path_keeps_what_was_listed(folder, monkeypatch):
    monkeypatch.chdir(folder)
    word = longer_search_path(["hydra.searchpath=[file://a]", "seed=1"], [Path("/with space")])
    try:
        add_config_folders([], ["hydra.searchpath=[file://a]", word])
        assert config_folders() == (CONF, folder / "a", Path("/with space"))
    finally:
        add_config_folders([], [])


def test_the_keys_of_an_option_of_ones_own_are_checked(folder, uri):
    _, said = run(folder, uri, "--config-dir=conf", "pooling=quarter", "pooling.facto=3", status=2)
    assert said.strip() == "pooling.facto is no key: pooling takes factor (did you mean factor?)"
    _, said = run(folder, uri, "--config-dir=conf", "pooling=quart", status=2)
    assert "quarter" in said
    assert "did you mean" in said


def test_an_option_with_the_name_of_one_of_ours_is_refused_where_it_is_chosen(folder, uri):
    own = folder / "conf" / "pooling" / "max.yaml"
    own.write_text("{_target_: owned.Quarter, _partial_: true, factor: 2}")
    words = ("--config-dir=conf", "pooling=max")
    _, said = run(folder, uri, *words, status=2)
    assert said.strip() == (
        f"pooling=max is one of ours, which hides {own}: give that file a name that conf/pooling "
        "does not have"
    )
    _, said = run(folder, uri, "-m", "--config-dir=conf", "pooling=max,avg", status=2)
    assert "pooling=max is one of ours" in said
    own.write_bytes((CONF / "pooling" / "max.yaml").read_bytes())  # a copy, which changes nothing
    _, said = run(folder, uri, *words, "pooling.facto=1", status=2)
    assert said.startswith("pooling.facto is no key")


def test_a_class_in_place_of_an_options_own_asks_for_what_it_requires(folder, uri):
    _, said = run(folder, uri, "pooling._target_=owned.Quarter", status=2)
    assert said.strip() == "pooling.factor is missing: give it a value, pooling.factor=…"


@pytest.mark.slow
@pytest.mark.every_part
def test_a_run_and_a_sweep_of_them(folder, uri):
    run(folder, uri, *TINY, "--config-dir=conf", "data=mine", "pooling=quarter")
    words = ("data=digits", "pooling._target_=owned.Quarter", "pooling.factor=2,3")
    printed, _ = run(folder, uri, "-m", *words, *TINY, "--config-dir", "conf")
    assert "2 runs: 0 done before, 2 to train" in printed
    printed, _ = run(folder, uri, "-m", *words, *TINY, "--config-dir", "conf")
    assert "2 runs: 2 done before" in printed
    found = [(p["data"], p["pooling"], p["pooling.factor"]) for p in params(uri)]
    assert sorted(found) == [
        ("digits", "owned.Quarter", "2"),
        ("digits", "owned.Quarter", "3"),
        ("mine", "quarter", "2"),
    ]
