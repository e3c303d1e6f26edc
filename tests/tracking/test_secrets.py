"""The password in a store's address is in nothing that a run or a sweep writes or says."""

import sys

import pytest
from helpers import REPOSITORY, SMALL, environment
from mlflow import MlflowClient
from processes import TRAIN, ended, python_path, start
from tracking_server import TrackingServer

PARTS = ("Qzjx7wkv", "9vKwpYtu")  # of the password, between characters that are encoded
USER_INFO = f"somebody:{PARTS[0]}%2F%40%25{PARTS[1]}"
# A class of the user's that quotes the address, as errors of drivers and of MLflow do.
MODULE = """
import os
from cnn_anatomy.networks.pooling import Max

class Telling(Max):
    def forward(self, x):
        raise RuntimeError(f"no answer from {os.environ['MLFLOW_TRACKING_URI']}/api")
"""
TINY = ("model.depth=8", *SMALL)
UNANSWERED = f"http://{USER_INFO}@127.0.0.1:9"


def told(text):
    """Return the parts of the password that are in a text."""
    return [part for part in PARTS if part in text]


def places(folder):
    """Yield every file in `folder` that has a part of the password in its name or its bytes."""
    for path in folder.rglob("*"):
        content = path.read_bytes() if path.is_file() else b""
        if told(path.name) or any(part.encode() in content for part in PARTS):
            yield path


@pytest.mark.slow
def test_a_run_and_a_sweep_keep_it_to_themselves(tmp_path):
    server = TrackingServer(tmp_path / "server")
    server.start()  # it asks for no password: what is tested is where the address goes
    work = tmp_path / "work"
    work.mkdir()
    (work / "mine.py").write_text(MODULE)
    uri = server.uri.replace("http://", f"http://{USER_INFO}@")
    own = environment(work, uri, PYTHONPATH=python_path(work))
    telling = "pooling._target_=mine.Telling"
    commands = [
        (0, ("pooling=max", *TINY)),
        (1, (telling, "pooling=max", *TINY)),
        (0, ("--multirun", "pooling=max", "seed=1,2", *TINY)),
        (1, ("--multirun", "pooling=max", telling, "seed=1,2", *TINY)),
        (0, ("--multirun", "pooling=max", "seed=1,2", "hydra.sweeper.plan=true", *TINY)),
    ]
    said = []
    try:
        for status, words in commands:
            said += ended(start(work, *TRAIN, *words, env=own), status)
        client = MlflowClient(server.uri)
        experiment = client.get_experiment_by_name("adhoc").experiment_id
        runs = client.search_runs([experiment], "tags.kind = 'run'")
    finally:
        server.kill()
    statuses = sorted(run.info.status for run in runs)
    assert statuses == ["FAILED"] * 3 + ["FINISHED"] * 3
    reasons = {run.data.tags.get("reason") for run in runs if run.info.status == "FAILED"}
    shown = server.uri.replace("http://", "http://***@")
    assert reasons == {f"RuntimeError: no answer from {shown}/api"}
    assert list(tmp_path.rglob("traceback.txt"))
    assert any(shown in config.read_text() for config in tmp_path.rglob("config.yaml"))
    assert not told("".join(said))
    assert list(places(tmp_path)) == []


@pytest.mark.parametrize(
    "command",
    [
        [*TRAIN],
        [*TRAIN, f"tracking.uri={UNANSWERED}"],
        [*TRAIN, "--multirun", "study=skip", "hydra.sweeper.plan=true"],
        [sys.executable, "-m", "cnn_anatomy.report", "tables", "skip"],
        [sys.executable, "-m", "tools.ui"],
    ],
    ids=lambda command: " ".join(command[2:])[:60].replace(USER_INFO, ""),
)
def test_no_refusal_tells_it(tmp_path, command):
    process = start(REPOSITORY, *command, env=environment(tmp_path, UNANSWERED))
    output, errors = ended(process, 2, timeout=60)
    assert "://***@127.0.0.1:9" in errors
    assert "Traceback" not in errors
    assert not told(output + errors)
    assert list(places(tmp_path)) == []


def test_a_worker_reads_it_from_its_environment():
    from cnn_anatomy.studies.planned_run import PlannedRun
    from cnn_anatomy.sweep.jobs import Job

    job = Job(PlannedRun("skip", "a", 0, ()), "key")
    assert not told("".join(job.overrides(UNANSWERED, "parent")))
    assert "tracking.uri='http://host'" in job.overrides("http://host", "parent")
