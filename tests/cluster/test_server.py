"""A sweep on a tracking server with PostgreSQL: nothing but its REST API is used, nothing is lost.

`SERVER_SEEDS` is how many runs of each of the eight variants (5).
"""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import pytest
from helpers import REPOSITORY, SMALL, environment
from mlflow import MlflowClient
from processes import TRAIN, kill, start, until
from tracking_server import TrackingServer

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.report.site import write_site
from cnn_anatomy.report.study_page import publish_studies
from cnn_anatomy.results.runs import REQUIRED_METRICS, read_sweep
from cnn_anatomy.studies.study import load_study
from cnn_anatomy.tracking.server import check_server, server_answers
from tools.postgres import Cluster

pytestmark = pytest.mark.server
SEEDS = int(os.environ.get("SERVER_SEEDS", "5"))
RUNS = 8 * SEEDS
WORDS = ("--multirun", "study=skip", f"hydra.sweeper.seeds={SEEDS}", *SMALL)
ONCE = {*REQUIRED_METRICS, "macs", "params/total", "consistency/shift", "train/clean_accuracy"}
STEPS = {"gradient/decay": 2, "gradient/first": 2}  # at step 0 and after the epoch


@pytest.fixture(scope="module")
def place():
    """Yield a database and a server that run, in a folder that PostgreSQL's user may enter."""
    folder = Path(tempfile.mkdtemp(prefix="shared-"))
    folder.chmod(0o755)
    try:
        database = Cluster(folder / "database")
    except ConfigError as error:
        shutil.rmtree(folder)
        pytest.skip(str(error))
    server = TrackingServer(folder, database.uri, workers=2)
    try:
        database.start()
        server.start()
        yield SimpleNamespace(folder=folder, database=database, server=server)
    finally:
        if hasattr(server, "process"):
            server.kill()
        if database.is_running:
            database.stop("immediate")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def sweep(place):
    """Sweep with four workers; kill server and database once each, and start them again."""
    began = time.monotonic()
    env = environment(place.folder, place.server.uri, WORKERS="4")
    log = place.folder / "sweep.log"
    process = start(place.folder, *TRAIN, *WORDS, env=env, log=log)
    client = MlflowClient(place.server.uri)
    try:
        await_finished(client, process, RUNS // 4)
        place.server.kill()
        time.sleep(5)
        place.server.start()
        await_finished(client, process, RUNS // 2)
        place.database.stop("immediate")
        time.sleep(5)
        place.database.start()
        status = process.wait(timeout=1800)
    finally:
        kill(process)
    seconds = time.monotonic() - began
    said = log.read_text()
    print(f"\n{RUNS} runs by 4 workers in {seconds:.0f} s; server and database killed once each")
    found = runs(client)
    return SimpleNamespace(client=client, status=status, said=said, runs=found, place=place)


def runs(client, kind="run"):
    experiment = client.get_experiment_by_name("skip")
    if experiment is None:
        return []
    return client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")


def await_finished(client, process, count):
    """Wait until `count` runs are done, others under way."""

    def are_finished():
        return sum(r.info.status == "FINISHED" for r in runs(client)) >= count

    until(are_finished, f"{count} runs", 900, process=process, explain=str)


def command(sweep, *words):
    """Run the real command again on the server."""
    call = [*TRAIN, *WORDS, *words]
    env = environment(sweep.place.folder, sweep.place.server.uri, COLUMNS="200")
    began = time.monotonic()
    done = subprocess.run(
        call, cwd=sweep.place.folder, env=env, capture_output=True, text=True, timeout=600
    )
    return done, time.monotonic() - began


def test_nothing_is_lost(sweep):
    assert sweep.status == 0, sweep.said
    assert Counter(r.info.status for r in sweep.runs) == {"FINISHED": RUNS}, sweep.said
    assert len({r.data.tags["key"] for r in sweep.runs}) == RUNS
    for run in sweep.runs:
        assert run.data.metrics.keys() >= ONCE | STEPS.keys()
        for name in ONCE | STEPS.keys():
            history = sweep.client.get_metric_history(run.info.run_id, name)
            assert len(history) == STEPS.get(name, 1), (run.info.run_name, name)
        files = {f.path for f in sweep.client.list_artifacts(run.info.run_id)}
        assert files >= {"config.yaml", "gradients.parquet", "gradients.png"}
    assert not list((sweep.place.folder / "cache" / "journal").glob("*.jsonl"))


def test_nothing_was_written_beside_the_server(sweep):
    written = {path.name for path in sweep.place.folder.iterdir()}
    assert written <= {"database", "artifacts", "server.log", "sweep.log", "cache", "outputs"}
    assert all(r.info.artifact_uri.startswith("mlflow-artifacts:/") for r in sweep.runs)


def test_the_plan_knows_what_is_done(sweep):
    done, seconds = command(sweep, "hydra.sweeper.plan=true")
    assert done.returncode == 0, done.stderr
    assert f"{RUNS} runs: {RUNS} done" in done.stdout
    print(f"\nplan of {RUNS} runs over REST: {seconds:.1f} s with the imports")


def test_the_sweep_has_nothing_left_to_do(sweep):
    done, seconds = command(sweep)
    assert done.returncode == 0, done.stderr
    assert f"{RUNS} runs: all done before" in done.stdout
    assert "missing" not in done.stdout
    print(f"\nsweep with nothing left, its table printed: {seconds:.1f} s with the imports")


def test_table_and_report_are_written_from_the_server_alone(sweep, tmp_path):
    parent = runs(sweep.client, "sweep")[0].info.run_id
    # A table is of a study's own sweep; this one was made small by overrides.
    sweep.client.set_tag(parent, "preset", "true")
    began = time.monotonic()
    read_sweep(sweep.client, "skip")
    print(f"\n{RUNS} runs read over REST: {time.monotonic() - began:.1f} s")
    began = time.monotonic()
    (page,) = publish_studies([load_study("skip")], sweep.client, tmp_path)
    seconds = time.monotonic() - began
    print(f"their table, figures and ledger included: {seconds:.1f} s")
    assert len(page.table.rows) == 8
    cells = re.findall(r"\| (\d+) \|$", (tmp_path / "skip" / "table.md").read_text(), re.MULTILINE)
    assert cells == [str(SEEDS)] * 8
    assert page.figures
    index = write_site([load_study("skip")], sweep.client, tmp_path / "site")
    assert (index.parent / "skip.html").stat().st_size > 10_000


def test_sync_delivers_to_the_server(sweep):
    call = [sys.executable, "-m", "cnn_anatomy.tracking"]
    done = subprocess.run(
        call,
        cwd=REPOSITORY,
        env=environment(sweep.place.folder, sweep.place.server.uri),
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert f"delivered to {sweep.place.server.uri}, 0 wait" in done.stdout


def test_a_second_server_leaves_the_first_ones_database_alone(place):
    folder = place.folder / "one with spaces"
    call = [sys.executable, "-m", "tools.postgres", str(folder)]
    store = [*call, sys.executable, "-c", STORE]
    first = subprocess.Popen(store, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert first.stdout.readline() == "1 experiment\n"
        second = subprocess.run([*call, "true"], capture_output=True, text=True, timeout=60)
        assert second.returncode == 2
        assert f"another process serves the database of {folder}: end it first" in second.stderr
        first.kill()  # the command goes on, and holds the database
        third = subprocess.run([*call, "true"], capture_output=True, text=True, timeout=60)
        assert third.returncode == 2
        printed, _ = first.communicate("go on\n", timeout=60)
        assert printed == "still 1 experiment\n"
    finally:
        first.kill()
    assert Cluster(folder).is_running
    assert subprocess.run([*call, "true"], capture_output=True, timeout=60).returncode == 0
    assert not Cluster(folder).is_running


def test_a_server_with_password_and_certificate_is_asked_as_mlflow_asks_it(place, monkeypatch):
    folder = place.folder / "tls"
    folder.mkdir()
    words = "req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=here -addext"
    parts = [folder / "key.pem", folder / "cert.pem"]
    files = ["-keyout", parts[0], "-out", parts[1]]
    call = ["openssl", *words.split(), "subjectAltName=IP:127.0.0.1", *files]
    subprocess.run(call, check=True, capture_output=True)
    both = folder / "both.pem"
    both.write_text("".join(part.read_text() for part in parts))
    server = TrackingServer(folder, certificate=both)
    monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(parts[1]))
    try:
        server.start()  # until it answers
        assert server_answers(server.uri.replace("//", "//user:pass:word@"))
        monkeypatch.delenv("MLFLOW_TRACKING_SERVER_CERT_PATH")
        assert not server_answers(server.uri)
        with pytest.raises(ConfigError, match=r"can't be verified: give .* as MLF"):
            check_server(server.uri)
        monkeypatch.setenv("MLFLOW_TRACKING_INSECURE_TLS", "true")
        assert server_answers(server.uri)
        assert len(MlflowClient(server.uri).search_experiments()) == 1
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(folder / "nothing.pem"))
        with pytest.raises(ConfigError, match="MLflow accepts only one"):
            check_server(server.uri)
        monkeypatch.delenv("MLFLOW_TRACKING_INSECURE_TLS")
        with pytest.raises(ConfigError, match=r"nothing\.pem"):
            check_server(server.uri)
        with pytest.raises(ConfigError, match="does not answer"):
            check_server(server.uri.replace("https", "http"))  # no HTTP is answered
    finally:
        server.kill()


STORE = """
from os import environ
from mlflow import MlflowClient
client = MlflowClient(environ["MLFLOW_BACKEND_STORE_URI"], environ["MLFLOW_BACKEND_STORE_URI"])
print(len(client.search_experiments()), "experiment", flush=True)
input()
print("still", len(client.search_experiments()), "experiment")
"""  # the default one
