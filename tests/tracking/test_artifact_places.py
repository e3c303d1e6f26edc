"""A folder that holds a store may be moved, copied, and have any name."""

import shutil
import sys

import pytest
from helpers import REPOSITORY, SMALL
from mlflow import MlflowClient
from processes import TRAIN, ended, python_path, start

from cnn_anatomy.core.uris import local_path
from cnn_anatomy.sweep.progress import describe_failure
from cnn_anatomy.tracking.artifact_places import follow_the_database
from cnn_anatomy.tracking.journal import deliver
from cnn_anatomy.tracking.run import tracked
from cnn_anatomy.tracking.store import prepare


def logged_run(uri):
    """Log a run with the artifact x.txt; return its id."""
    experiment = prepare(uri, "s")
    with tracked(uri, experiment, name="a", tags={"study": "s"}, params={}) as logger:
        folder = local_path(uri.removeprefix("sqlite:///")).parent / "files"
        folder.mkdir(exist_ok=True)
        (folder / "x.txt").write_text("kept")
        logger.log_folder(str(folder))
    return logger.run_id


def where(uri, run):
    """Return the folder of a run's artifacts."""
    return local_path(MlflowClient(uri).get_run(run).info.artifact_uri)


def test_artifacts_move_with_their_database(tmp_path, new_store):
    run = logged_run(new_store(tmp_path / "old"))
    (tmp_path / "old").rename(tmp_path / "new")
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    new = logged_run(uri)
    for number in (run, new):
        assert where(uri, number).is_relative_to(tmp_path / "new" / "mlartifacts" / "s")
        assert (where(uri, number) / "x.txt").read_text() == "kept"
    assert not (tmp_path / "old").exists()


def test_a_copy_has_artifacts_of_its_own_if_they_were_copied(tmp_path, new_store):
    uri = new_store(tmp_path / "old")
    run = logged_run(uri)
    shutil.copytree(tmp_path / "old", tmp_path / "copy")
    (tmp_path / "alone").mkdir()
    for file in (tmp_path / "old").glob("mlflow.db*"):
        shutil.copy(file, tmp_path / "alone")
    for name, place in (("old", "old"), ("copy", "copy"), ("alone", "old")):
        follow_the_database(tmp_path / name / "mlflow.db")
        there = where(f"sqlite:///{tmp_path}/{name}/mlflow.db", run)
        assert there.is_relative_to(tmp_path / place / "mlartifacts"), name


def test_artifacts_that_somebody_keeps_elsewhere_stay_there(tmp_path, new_store):
    uri = new_store(tmp_path / "old")
    client = MlflowClient(uri)
    experiment = client.create_experiment("mine", artifact_location=f"{tmp_path}/data/mine")
    run = client.create_run(experiment).info.run_id
    (tmp_path / "old").rename(tmp_path / "new")
    uri = f"sqlite:///{tmp_path}/new/mlflow.db"
    prepare(uri, "s")
    assert where(uri, run).is_relative_to(tmp_path / "data" / "mine")


@pytest.mark.parametrize("name", ["my runs", "Läufe", "50%", "a#b", "it's 'so'", "$HOME ${x}"])
def test_a_folder_is_shown_by_its_name(tmp_path, new_store, name):
    uri = new_store(tmp_path / name)
    run = logged_run(uri)
    assert where(uri, run).is_relative_to(tmp_path / name / "mlartifacts")
    line = describe_failure(MlflowClient(uri), MlflowClient(uri).get_run(run))
    assert f"[{tmp_path}/{name}/mlartifacts/s/{run}/artifacts/traceback.txt]" in line


def test_a_journal_is_delivered_from_where_its_folder_is(tmp_path, uri):
    experiment, old = prepare(uri, "s"), tmp_path / "old"
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "x.txt").write_text("kept")
    with tracked(uri, experiment, name="a", tags={}, params={}, journals=old) as logger:
        logger.journal.next_attempt = float("inf")  # as if the server were lost
        logger.log_folder(str(tmp_path / "files"))
    old.rename(tmp_path / "new")
    deliver(MlflowClient(uri), tmp_path / "new" / f"{logger.run_id}.jsonl")
    assert (where(uri, logger.run_id) / "x.txt").read_text() == "kept"


STUDY = """question: Which?
reading: That one.
overrides: [model.depth=8, {small}]
grid: {{pooling: [max, avg]}}
seeds: 1
table: {{rows: [pooling], metrics: [test/accuracy]}}
"""


@pytest.mark.slow
def test_a_moved_checkout_goes_on_in_its_new_place(tmp_path):
    old, new = tmp_path / "old", tmp_path / "neuer Ort"
    for part in ("src", "conf", "experiments"):
        ignore = shutil.ignore_patterns("__pycache__", "*.png", "*.svg", "runs.csv")
        shutil.copytree(REPOSITORY / part, old / part, ignore=ignore)
    (old / "experiments" / "mine.yaml").write_text(STUDY.format(small=", ".join(SMALL)))

    def command(folder, *words, status=0):
        variables = {"PYTHONPATH": python_path(folder / "src"), "WORKERS": "2"}
        own = {**_plain_environment(), **variables}
        return ended(start(folder, *words, env=own), status)

    sweep = (*TRAIN, "--multirun", "study=mine")
    report = (sys.executable, "-m", "cnn_anatomy.report")
    command(old, *sweep)
    old.rename(new)
    for words in ((*report, "tables", "mine"), (*report, "site", "mine"), sweep):
        output, errors = command(new, *words)
        assert str(old) not in output + errors
        assert "%" not in errors
    output, _ = command(new, *sweep, "hydra.sweeper.seeds=2")
    assert "4 runs: 2 done before, 2 to train" in output
    assert not old.exists()
    client = MlflowClient(f"sqlite:///{new}/mlflow.db")
    experiment = client.get_experiment_by_name("mine").experiment_id
    runs = client.search_runs([experiment], "tags.kind = 'run'")
    assert len(runs) == 4
    for run in runs:
        assert (local_path(run.info.artifact_uri) / "config.yaml").is_file()
        assert local_path(run.info.artifact_uri).is_relative_to(new)


def _plain_environment():
    import os

    unwanted = ("MLFLOW_TRACKING_URI", "CNN_ANATOMY_CACHE", "PYTHONPATH")
    return {k: v for k, v in os.environ.items() if k not in unwanted}
