"""A cached plan is valid as long as everything that it depends on, and no longer."""

import os
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir

from cnn_anatomy.core.paths import CONF
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.sweep.jobs import Job
from cnn_anatomy.sweep.plan_cache import PlanCache

PARENTS = {"skip": "0123"}


@pytest.fixture
def plan_cache(tmp_path, monkeypatch):
    """Return a function that makes the cache for the plan of one run, as the command does."""
    monkeypatch.setenv("CNN_ANATOMY_CACHE", str(tmp_path / "cache"))

    def make(*overrides, more=()):
        with initialize_config_dir(str(CONF), version_base="1.3"):
            common = compose("train", list(more), return_hydra_config=True)
        return PlanCache([PlannedRun("skip", "a", 0, overrides)], common)

    return make


def save(plan_cache, *files):
    jobs = [Job(run, "a key", ("threads=1",)) for run in plan_cache.runs]
    plan_cache.save(jobs, files)
    return jobs


def test_jobs_come_back_as_they_were_to_the_same_runs_only(plan_cache):
    jobs = save(plan_cache("skip=none"))
    assert plan_cache("skip=none").load() == tuple(jobs)
    assert plan_cache("skip=identity").load() is None
    assert plan_cache("skip=none", more=["tracking.uri=sqlite:///other.db"]).load() is None


@pytest.mark.parametrize("change", [Path.unlink, lambda p: p.write_text("other weights")])
def test_another_file_behind_a_path_is_another_sweep(plan_cache, tmp_path, change):
    weights = tmp_path / "its weights.pt"
    weights.write_text("weights")
    words = f"transfer.source='{weights}'"
    save(plan_cache(words), weights)
    assert plan_cache(words).load() is not None
    os.utime(weights, (0, 0))
    assert plan_cache(words).load() is None
    save(plan_cache(words), weights)
    change(weights)
    assert plan_cache(words).load() is None


def test_a_file_that_appears_is_another_sweep(plan_cache, tmp_path):
    later = tmp_path / "later.pt"
    save(plan_cache(), later)
    assert plan_cache().load() is not None
    later.write_text("weights")
    assert plan_cache().load() is None


def test_a_relative_path_is_another_file_elsewhere(plan_cache, tmp_path, monkeypatch):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "w.pt").write_text(f"weights from {name}")
    monkeypatch.chdir(tmp_path / "here")
    save(plan_cache(), Path("w.pt"))
    assert plan_cache().load() is not None
    monkeypatch.chdir(tmp_path / "there")
    assert plan_cache().load() is None


def test_a_plan_that_depends_on_more_is_not_cached(plan_cache, tmp_path):
    save(plan_cache("data.source.root=${oc.env:DATA}"))
    assert plan_cache("data.source.root=${oc.env:DATA}").load() is None
    path = f"hydra.searchpath=[file://{tmp_path}]"
    save(plan_cache(more=[path]))
    assert plan_cache(more=[path]).load() is None


def test_a_corrupt_file_is_ignored(plan_cache):
    save(plan_cache())
    plan_cache().file.write_text('{"jobs": ')
    assert plan_cache().load() is None
    assert not plan_cache().is_published(PARENTS)


def test_only_what_was_published_is_published(plan_cache, tmp_path):
    page = tmp_path / "README.md"
    page.write_text("# skip")
    save(plan_cache())
    assert not plan_cache().is_published(PARENTS)
    plan_cache().save_publication(PARENTS, [page])
    assert plan_cache().is_published(PARENTS)
    assert not plan_cache().is_published({"skip": "a later sweep"})
    assert plan_cache().load() is not None
    page.rename(tmp_path / "elsewhere.md")
    assert not plan_cache().is_published(PARENTS)
    (tmp_path / "elsewhere.md").rename(page)
    assert plan_cache().is_published(PARENTS)
    save(plan_cache())  # composed anew, as it was not all done
    assert not plan_cache().is_published(PARENTS)
