"""Metrics of a run whose server is lost: kept, and delivered once."""

import json
import time

import pytest
from mlflow import MlflowClient
from tracking_server import TrackingServer

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.tracking.journal import Journal, deliver, sync
from cnn_anatomy.tracking.run import tracked
from cnn_anatomy.tracking.server import check_server
from cnn_anatomy.tracking.store import prepare


def test_delivering_twice_leaves_each_metric_once(tmp_path, uri):
    client = MlflowClient(uri)
    run = client.create_run(prepare(uri, "s")).info.run_id
    path = tmp_path / f"{run}.jsonl"
    lines = [{"metrics": [["a", 1.5, 1000 + i, i], ["b", float("nan"), 1, i]]} for i in range(3)]
    lines.append({"end": ["FINISHED", "", 5000]})
    text = "".join(json.dumps(line) + "\n" for line in lines) + '{"metrics": [["a", 1'
    for _ in range(2):
        path.write_text(text)  # its last line is cut off, as a kill leaves it
        deliver(client, path)
    assert not path.exists()
    assert [m.step for m in client.get_metric_history(run, "a")] == [0, 1, 2]
    assert client.get_run(run).info.status == "FINISHED"


def test_a_server_that_does_not_answer_is_refused_in_a_sentence():
    began = time.monotonic()
    with pytest.raises(ConfigError, match=r"tracking.uri=http://127\.0\.0\.1:9 does"):
        check_server("http://127.0.0.1:9")
    assert time.monotonic() - began < 10


def test_a_run_that_goes_on_is_not_ended_by_how_it_was_stopped(tmp_path, uri):
    client, experiment = MlflowClient(uri), prepare(uri, "s")
    settings = {
        "name": "r",
        "tags": {"key": "k", "kind": "run"},
        "params": {},
        "journals": tmp_path / "journal",
    }

    def stopped():
        with tracked(uri, experiment, **settings) as logger:
            logger.journal.next_attempt = float("inf")  # as if the server were lost
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stopped()
    run = client.search_runs([experiment])[0].info.run_id
    client.update_run(run, status="KILLED")  # another process has found it an orphan
    assert (tmp_path / "journal" / f"{run}.jsonl").exists()
    with tracked(uri, experiment, **settings) as logger:
        assert logger.run_id == run
        assert client.get_run(run).info.status == "RUNNING"
        assert "reason" not in client.get_run(run).data.tags
    assert client.get_run(run).info.status == "FINISHED"


@pytest.mark.slow
def test_a_server_killed_and_restarted_gets_every_metric_once(tmp_path, monkeypatch):
    monkeypatch.setattr("cnn_anatomy.tracking.journal.RETRY_SECONDS", 0.0)
    server = TrackingServer(tmp_path)
    uri = server.uri
    server.start()
    try:
        experiment = prepare(uri, "s")
        with tracked(
            uri, experiment, name="r", tags={}, params={}, journals=tmp_path / "journal"
        ) as logger:
            run = str(logger.run_id)
            for step in range(9):
                if step == 3:
                    server.kill()
                if step == 6:
                    server.start()
                logger.log_metrics({"a": float(step)}, step)
                waits = len(list((tmp_path / "journal").glob("*.jsonl")))
                assert waits == (1 if 3 <= step < 6 else 0), step
            server.kill()
            logger.log_metrics({"a": 9.0}, 9)
            (tmp_path / "file").mkdir()
            (tmp_path / "file" / "x.txt").write_text("kept")
            logger.log_folder(str(tmp_path / "file"))
        server.start()
        client = MlflowClient(uri)
        assert client.get_run(run).info.status == "RUNNING"
        assert sync(client, tmp_path / "journal") == ([run], [])
        history = client.get_metric_history(run, "a")
        assert [(m.step, m.value) for m in history] == [(i, float(i)) for i in range(10)]
        assert client.get_run(run).info.status == "FINISHED"
        assert [f.path for f in client.list_artifacts(run)] == ["x.txt"]
    finally:
        server.kill()


def test_only_a_lost_server_is_waited_for(tmp_path, uri):
    from mlflow.exceptions import MlflowException

    prepare(uri, "s")
    journal = Journal(MlflowClient(uri), "0" * 32, tmp_path / "journal")
    with pytest.raises(MlflowException, match="not found"):
        journal.metrics({"a": 1.0}, 0)


def test_a_second_value_of_a_metric_at_a_step_is_named_and_the_first_stays(tmp_path, uri, capsys):
    client, experiment = MlflowClient(uri), prepare(uri, "s")
    settings = {"name": "r", "tags": {"key": "k", "kind": "run"}, "params": {}}
    with tracked(uri, experiment, journals=tmp_path, **settings) as logger:
        logger.log_metrics({"a": 1.5, "b": float("nan")}, step=0)
        logger.log_metrics({"a": 1.5, "b": float("nan")}, step=0)
        logger.log_metrics({"a": 2.5}, step=1)
        assert capsys.readouterr().err == ""
        logger.log_metrics({"a": 2.5}, step=0)
    assert capsys.readouterr().err == "a is logged at step 0 as 1.5 and as 2.5: 1.5 stays\n"
    run = client.search_runs([experiment])[0].info.run_id
    assert [(m.step, m.value) for m in client.get_metric_history(run, "a")] == [(0, 1.5), (1, 2.5)]
