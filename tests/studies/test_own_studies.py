"""Studies outside experiments/: named by their path, or in a folder of the user's own."""

import subprocess

import pytest
from helpers import REPOSITORY, environment
from processes import TRAIN, ended, start

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import RESULTS, STUDIES_VARIABLE
from cnn_anatomy.studies.selection import CORE, select_studies
from cnn_anatomy.studies.study import load_study, option_folders

POOLING = """
from torch import nn

class Quarter(nn.Module):
    def __init__(self, channels, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return x[..., ::2, ::2] * self.factor
"""
STUDY = """
question: Does it help to scale what is pooled?
reading: The higher, the better.
overrides:
  - data=digits
  - data.train_limit=40
  - pooling._target_=scaled.Quarter
  - model.width=4
  - model.depth=8
  - trainer.max_epochs=1
grid: {pooling.factor: [1, 2]}
seeds: 1
table: {rows: [pooling.factor], metrics: [test/accuracy, macs]}
claims:
  - id: x1
    statement: Scaling costs nothing.
    source: this test
    metric: macs
    better: lower
    matters: 1
    treatment: {pooling.factor: 2}
    control: {pooling.factor: 1}
    scope: digits
"""


@pytest.fixture
def folder(tmp_path):
    """Return a folder with the study `mine` and the module that it names."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "scaled.py").write_text(POOLING)
    (tmp_path / "own" / "mine.yaml").write_text(STUDY)
    return tmp_path / "own"


def test_a_study_is_named_by_its_path_and_its_results_lie_beside_it(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for word in ("mine.yaml", "./mine.yaml", f"{folder}/mine.yaml"):
        study = load_study(word)
        assert (study.name, study.file) == ("mine", folder / "mine.yaml")
        assert study.results == folder / "results"
    assert study.command(5) == f"make sweep STUDY={folder}/mine.yaml SEEDS=5"
    assert load_study("skip").results == RESULTS
    assert load_study("skip").command(3) == "make sweep STUDY=skip"


def test_a_folder_of_ones_own_is_all_and_names_of_ours_still_work(folder, monkeypatch):
    monkeypatch.setenv(STUDIES_VARIABLE, str(folder))
    assert [s.name for s in select_studies("all")] == ["mine"]
    assert [s.name for s in select_studies("core")] == list(CORE)
    assert {s.name for s in select_studies("mine,skip")} == {"mine", "skip"}
    with pytest.raises(ConfigError, match=r"study=mien is none of mine, .*did you mean mine"):
        load_study("mien")


def test_a_name_that_is_taken_is_refused(folder, monkeypatch):
    (folder / "mine.yaml").rename(folder / "skip.yaml")
    with pytest.raises(ConfigError, match="has the name of one of ours"):
        load_study(f"{folder}/skip.yaml")
    (folder / "skip.yaml").rename(folder / "not-a.name!.yaml")
    with pytest.raises(ConfigError, match="has no plain name"):
        load_study(f"{folder}/not-a.name!.yaml")
    for place in ("a", "b"):
        (folder / place).mkdir()
        (folder / place / "twin.yaml").write_text(STUDY)
    with pytest.raises(ConfigError, match="have the same name"):
        select_studies(f"{folder}/a/twin.yaml,{folder}/b/twin.yaml")


def test_a_folder_that_is_missing_is_refused(folder, monkeypatch):
    monkeypatch.setenv(STUDIES_VARIABLE, f"{folder}/nowhere")
    with pytest.raises(ConfigError, match=r"STUDIES=\) is no folder"):
        select_studies("all")


def test_options_beside_a_study_are_found(folder, monkeypatch):
    option = folder / "conf" / "pooling" / "scaled.yaml"
    option.parent.mkdir(parents=True)
    option.write_text("{_target_: scaled.Quarter, _partial_: true, factor: 1}")
    assert option_folders([f"study=skip,{folder}/mine.yaml", "seed=0"]) == [folder / "conf"]
    assert option_folders(["study=skip", f"+x={folder}/mine.yaml"]) == []
    monkeypatch.setenv(STUDIES_VARIABLE, str(folder))
    assert option_folders(["study=all"]) == [folder / "conf"]


def test_make_hands_on_the_folder_and_its_arguments(folder):
    words = ("sweep", f"STUDIES={folder}", "ARGS=--config-dir=conf")
    call = ["make", "-n", "-o", ".venv/stamp", *words, "-f", "Makefile"]
    done = subprocess.run(call, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert "--config-dir=conf study=all" in done.stdout


@pytest.mark.slow
@pytest.mark.every_part
def test_a_study_of_ones_own_is_planned_swept_and_tabled_from_another_folder(folder, uri):
    """The study's module lies beside it; its ledger judges its claims alone."""
    elsewhere = folder.parent / "elsewhere"
    env = environment(folder.parent, uri)
    words = ("--multirun", f"study={folder}/mine.yaml")
    planned, _ = ended(start(elsewhere, *TRAIN, *words, "hydra.sweeper.plan=true", env=env))
    assert "2 runs: 2 missing" in planned
    printed, _ = ended(start(elsewhere, *TRAIN, *words, env=env))
    assert "2 runs: 0 done before, 2 to train" in printed
    assert f"mine: {folder}/results/mine/README.md" in printed
    page = (folder / "results" / "mine" / "README.md").read_text()
    assert "Claims as registered on 20" in page
    ledger = (folder / "results" / "README.md").read_text()
    assert "1 claims" in ledger
    assert "[x1](mine/README.md)" in ledger

    table = folder / "results" / "mine" / "table.md"
    written = table.read_text()
    table.unlink()
    tables = (TRAIN[0], "-m", "cnn_anatomy.report", "tables", "mine.yaml")
    ended(start(folder, *tables, env=env))
    assert table.read_text() == written
    again, _ = ended(start(elsewhere, *TRAIN, *words, env=env))
    assert "all done before, and written" in again
    (folder / "mine.yaml").write_text(STUDY.replace("costs nothing", "is free"))
    changed, _ = ended(start(elsewhere, *TRAIN, *words, env=env))
    assert "2 runs: 2 done before, 0 to train" in changed
    assert "Scaling is free" in (folder / "results" / "mine" / "README.md").read_text()
