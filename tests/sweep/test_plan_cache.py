"""What a sweep remembers holds as long as all that it follows from, and no longer."""

import os
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from cnn_anatomy.core.paths import REPOSITORY
from cnn_anatomy.studies.study import PlannedRun
from cnn_anatomy.sweep.jobs import Job
from cnn_anatomy.sweep.plan_cache import Remembered

PARENTS = {"skip": "0123"}


@pytest.fixture
def remembered(tmp_path, monkeypatch):
    """Return a function that makes what is remembered of one run, from a start of the command."""
    monkeypatch.setenv("CNN_ANATOMY_CACHE", str(tmp_path / "cache"))

    def make(*overrides, more=()):
        with initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
            common = compose("train", list(more), return_hydra_config=True)
        return Remembered([PlannedRun("skip", "a", 0, overrides)], common)

    return make


def keep(remembered, *files):
    jobs = [Job(run, "a key", ("threads=1",)) for run in remembered.runs]
    remembered.keep(jobs, files)
    return jobs


def test_jobs_come_back_as_they_were_to_the_same_runs_only(remembered):
    jobs = keep(remembered("skip=none"))
    assert remembered("skip=none").load() == jobs
    assert remembered("skip=identity").load() is None
    assert remembered("skip=none", more=["tracking.uri=sqlite:///other.db"]).load() is None


@pytest.mark.parametrize("change", [Path.unlink, lambda p: p.write_text("other weights")])
def test_another_file_behind_a_path_is_another_sweep(remembered, tmp_path, change):
    weights = tmp_path / "its weights.pt"
    weights.write_text("weights")
    words = f"transfer.source='{weights}'"
    keep(remembered(words), weights)
    assert remembered(words).load() is not None
    os.utime(weights, (0, 0))
    assert remembered(words).load() is None
    keep(remembered(words), weights)
    change(weights)
    assert remembered(words).load() is None


def test_a_file_that_appears_is_another_sweep(remembered, tmp_path):
    later = tmp_path / "later.pt"
    keep(remembered(), later)
    assert remembered().load() is not None
    later.write_text("weights")
    assert remembered().load() is None


def test_a_relative_path_is_another_file_elsewhere(remembered, tmp_path, monkeypatch):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "w.pt").write_text(f"weights from {name}")
    monkeypatch.chdir(tmp_path / "here")
    keep(remembered(), Path("w.pt"))
    assert remembered().load() is not None
    monkeypatch.chdir(tmp_path / "there")
    assert remembered().load() is None


def test_what_follows_from_more_is_not_remembered(remembered, tmp_path):
    keep(remembered("data.source.root=${oc.env:DATA}"))
    assert remembered("data.source.root=${oc.env:DATA}").load() is None
    path = f"hydra.searchpath=[file://{tmp_path}]"
    keep(remembered(more=[path]))
    assert remembered(more=[path]).load() is None


def test_a_file_that_cannot_be_read_is_as_none(remembered):
    keep(remembered())
    remembered().file.write_text('{"jobs": ')
    assert remembered().load() is None
    assert not remembered().is_published(PARENTS)


def test_only_what_was_published_is_published(remembered, tmp_path):
    page = tmp_path / "README.md"
    page.write_text("# skip")
    keep(remembered())
    assert not remembered().is_published(PARENTS)
    remembered().keep_published(PARENTS, [page])
    assert remembered().is_published(PARENTS)
    assert not remembered().is_published({"skip": "a later sweep"})
    assert remembered().load() is not None
    page.rename(tmp_path / "elsewhere.md")
    assert not remembered().is_published(PARENTS)
    (tmp_path / "elsewhere.md").rename(page)
    assert remembered().is_published(PARENTS)
    keep(remembered())  # composed anew, as it was not all done
    assert not remembered().is_published(PARENTS)
