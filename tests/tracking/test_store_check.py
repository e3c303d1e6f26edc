"""What is wrong with a store is said in a sentence, and what the sentence advises helps."""

import contextlib
import os
import re
import socket
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import REPOSITORY, environment
from mlflow import MlflowClient
from processes import TRAIN, ended, free_port, start, until
from tracking_server import TrackingServer

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.tracking.store import prepare
from cnn_anatomy.tracking.store_check import check_store

EARLY = "451aebb31d03"  # a revision of MLflow 1
SECONDS = 3  # within which a server is refused


def refusal(uri, *studies):
    """Return the sentence by which a store is refused."""
    with pytest.raises(ConfigError) as caught:
        check_store(uri, studies)
    return str(caught.value)


def changed(uri, statement):
    """Execute a statement in a store's file."""
    with contextlib.closing(sqlite3.connect(uri.removeprefix("sqlite:///"))) as database, database:
        database.execute(statement)


def test_a_store_that_is_in_order_is_accepted(tmp_path, uri):
    check_store(uri, ["Default", "skip"])
    check_store(f"sqlite:///{tmp_path}/not/yet/there.db")
    (tmp_path / "empty.db").touch()
    check_store(f"sqlite:///{tmp_path}/empty.db")
    assert not (tmp_path / "not").exists()


def test_a_store_to_which_another_process_writes_is_accepted(tmp_path, uri):
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        check_store(uri)


@pytest.mark.parametrize(
    ("uri", "said"),
    [
        ("mlflow.db", "is no store: give http://HOST:PORT"),
        ("127.0.0.1:5000", r"did you mean http://127\.0\.0\.1:5000\?"),
        ("file:///runs", "is no store"),
        ("postgres://db/x", "is no store"),
        ("sqlite:///runs.db?timeout=60", r"leave out \?timeout=60"),
        ("sqlite://runs.db", "names no file"),
        ("sqlite+pysqlite:///runs.db", "names no file: give sqlite:///FILE"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:////my%20runs/mlflow.db", "would be read as /my runs/mlflow.db"),
        ("http://127.0.0.1:5000 ", "holds a space"),
        ("http://me:hu/sh@127.0.0.1:9", r"http://\*\*\*@127\.0\.0\.1:9: .* write / as %2F"),
        ("postgresql://me:hu@sh@db/x", r"postgresql://\*\*\*@db/x: .* @ as %40"),
        ("mysql+cymysql://db/x", "needs the Python module cymysql, which is not installed"),
        ("postgresql+nonsense://db/x", r"can't be used: Can't load plugin"),
        ("postgresql+nonsense://db:port/x", "can't be used: invalid literal"),
    ],
)
def test_an_address_that_would_be_misread(uri, said):
    sentence = refusal(uri)
    assert re.search(said, sentence), sentence
    assert "hu" not in sentence


def test_a_password_with_a_slash_is_one_to_sqlalchemy(tmp_path):
    assert "Can't load plugin" in refusal("postgresql+nonsense://me:hu/sh@db/x?options=a@b")


def test_a_file_that_is_no_database(tmp_path):
    (tmp_path / "notes.txt").write_text("Nothing of a database is in here.\n" * 100)
    assert "file is not a database; " in refusal(f"sqlite:///{tmp_path}/notes.txt")
    assert "can't be used: unable to open database file" in refusal(f"sqlite:///{tmp_path}")
    assert "is no folder to write to" in refusal(f"sqlite:///{tmp_path}/notes.txt/mlflow.db")


def test_a_damaged_database(tmp_path, uri):
    file = tmp_path / "mlflow.db"
    content = file.read_bytes()
    file.write_bytes(content[:100] + b"\xff" * (len(content) - 100))
    assert "malformed; it is no database, or is damaged" in refusal(uri)


def test_a_database_of_another_program(tmp_path):
    uri = f"sqlite:///{tmp_path}/other.db"
    changed(uri, "CREATE TABLE trials (number INTEGER)")
    assert "of another program, with the tables trials: give MLflow one of its own" in refusal(uri)


def test_a_database_that_can_only_be_read(tmp_path, uri):
    """SQLite does not write to a file whose header asks for a version that it doesn't know."""
    with (tmp_path / "mlflow.db").open("r+b") as file:
        file.seek(18)
        file.write(b"\x03")
    assert "attempt to write a readonly database; give a file that can be written" in refusal(uri)


def older_store(folder):
    """Make a store as MLflow 1 did; return its URI."""
    import sqlalchemy
    from alembic import command
    from mlflow.store.db.utils import _get_alembic_config
    from mlflow.store.tracking.dbmodels.initial_models import Base

    uri = f"sqlite:///{folder}/old.db"
    engine = sqlalchemy.create_engine(uri)
    Base.metadata.create_all(engine)
    with engine.begin() as connection:
        config = _get_alembic_config(uri)
        config.attributes["connection"] = connection
        command.upgrade(config, EARLY)
    engine.dispose()
    return uri


def take_advice(sentence, marker, folder):
    """Run the command that a sentence advises, which begins with `marker`."""
    command = sentence[sentence.index(marker) :].partition(", or")[0]
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    own = environment(folder, PATH=path)
    subprocess.run(command, shell=True, check=True, cwd=folder, env=own)


def test_a_database_of_an_older_or_a_newer_mlflow(tmp_path, uri):
    assert "an older MLflow than" in refusal(older_store(tmp_path))
    changed(uri, "UPDATE alembic_version SET version_num = 'ffffffffffff'")
    assert "a newer MLflow than" in refusal(uri)


@pytest.mark.slow
def test_an_older_database_is_upgraded_by_the_advised_command(tmp_path):
    uri = older_store(tmp_path)
    take_advice(refusal(uri), "python -m mlflow db upgrade", tmp_path)
    check_store(uri)
    prepare(uri, "s")


def test_a_deleted_experiment(uri):
    client, experiment = MlflowClient(uri), prepare(uri, "skip")
    client.delete_experiment(experiment)
    check_store(uri, ["pooling"])
    said = f"study=skip: its experiment in {uri} was deleted; restore it with "
    assert refusal(uri, "pooling", "skip").startswith(said)
    client.restore_experiment(experiment)
    check_store(uri, ["skip"])


@pytest.mark.slow
@pytest.mark.parametrize("marker", ["MLFLOW_TRACKING_URI=", "python -m mlflow gc"])
def test_a_deleted_experiment_is_restored_or_purged_by_the_advised_command(tmp_path, uri, marker):
    MlflowClient(uri).delete_experiment(prepare(uri, "skip"))
    take_advice(refusal(uri, "skip"), marker, tmp_path)
    check_store(uri, ["skip"])
    prepare(uri, "skip")


@pytest.mark.parametrize("words", [(), ("--multirun", "seed=0,1"), ("--multirun", "study=skip")])
def test_a_deleted_experiment_stops_runs_and_sweeps(tmp_path, uri, words):
    study = "skip" if "study=skip" in words else "adhoc"
    MlflowClient(uri).delete_experiment(prepare(uri, study))
    _, errors = ended(start(tmp_path / "work", *TRAIN, *words, env=environment(tmp_path, uri)), 2)
    assert errors.startswith(f"study={study}: its experiment in {uri} was deleted")
    assert len(errors.splitlines()) == 1


@contextlib.contextmanager
def web_server(folder):
    """Serve the files of a folder, as Python does, and yield the address."""
    port = free_port()
    call = (sys.executable, "-m", "http.server", "--bind", "127.0.0.1", str(port))
    process = start(folder, *call, log=folder / "log")

    def listens():
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", port)) == 0

    until(listens, "port", process=process)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        process.kill()


def test_a_server_that_is_not_mlflow(tmp_path):
    with web_server(tmp_path) as place:
        began = time.monotonic()
        assert f"http://{place} is no MLflow server: " in refusal(f"http://{place}")
        assert "does not answer in TLS: give http://" in refusal(f"https://{place}")
        assert time.monotonic() - began < SECONDS
        page = tmp_path / "api" / "2.0" / "mlflow" / "experiments"
        page.mkdir(parents=True)
        (page / "search").write_text("<html>log in</html>")
        assert "it answers 200 OK" in refusal(f"http://{place}")


@pytest.mark.slow
def test_a_real_server(tmp_path, monkeypatch):
    server = TrackingServer(tmp_path)
    server.start()
    try:
        check_store(server.uri, ["skip"])
        client = MlflowClient(server.uri)
        client.delete_experiment(prepare(server.uri, "skip"))
        take_advice(refusal(server.uri, "skip"), "MLFLOW_TRACKING_URI=", tmp_path)
        check_store(server.uri, ["skip"])
        server.kill()
        monkeypatch.setenv("MLFLOW_SERVER_ALLOWED_HOSTS", "lab.example.org")
        server.start()
        assert "start it with --allowed-hosts" in refusal(server.uri)
    finally:
        server.kill()


@pytest.mark.slow
def test_the_commands_say_it(tmp_path):
    (tmp_path / "notes.txt").write_text("Nothing of a database is in here.\n" * 100)
    own = environment(tmp_path, f"sqlite:///{tmp_path}/notes.txt")
    modules = ("cnn_anatomy.report tables", "cnn_anatomy.tracking", "tools.ui")
    for module in modules:
        call = (sys.executable, "-m", *module.split())
        _, errors = ended(start(REPOSITORY, *call, env=own), 2)
        assert errors.startswith(f"MLFLOW_TRACKING_URI=sqlite:///{tmp_path}/notes.txt can't be")
        assert len(errors.splitlines()) == 1
