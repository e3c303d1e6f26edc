"""A real sweep of two tiny runs in a subprocess: what MLflow holds of it, and what it prints."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pandas as pd
import pytest
from helpers import REPOSITORY, SMALL, environment
from mlflow import MlflowClient
from omegaconf import OmegaConf

from cnn_anatomy.tracking.ui import study_links

PARAMS = {
    *("model", "data", "block", "pooling", "skip", "inception", "aux", "freeze", "head", "norm"),
    *("activation", "init", "model.depth", "model.width", "inception.depth", "aux.weight"),
    *("freeze.layers", "trainer.max_epochs", "seed"),
}
TAGS = {"study", "variant", "key", "mlflow.parentRunId", "mlflow.source.git.commit", "host", "pid"}
METRICS = {
    *(f"{split}/{what}" for split in ("train", "val", "test") for what in ("loss", "accuracy")),
    *("gap/accuracy", "params/total", "params/trainable", "params/head", "macs"),
    "receptive_field",
    *("gradient/first", "gradient/last", "gradient/decay"),
    *("gradient/stage_1", "gradient/stage_2", "gradient/stage_3"),
    *("consistency/shift", "speed/images_per_second"),
}
ARTIFACTS = {"config.yaml", "gradients.parquet", "gradients.png"}


def command(folder, *arguments):
    """Run the real command with a store of its own, though the environment names another one."""
    variables = environment(folder, f"sqlite:///{folder}/unused/mlflow.db", WORKERS="1")
    uri = f"tracking.uri=sqlite:///{folder}/store/mlflow.db"
    call = [sys.executable, "-m", "cnn_anatomy.train", *arguments, uri]
    return subprocess.run(
        call, cwd=folder, env=variables, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture(scope="module")
def sweep(tmp_path_factory, new_store):
    """Sweep a healthy variant and one without a batch, then the healthy one again."""
    folder = tmp_path_factory.mktemp("sweep")
    uri = new_store(folder / "store")
    words = [
        "--multirun",
        "pooling=max",
        "model.depth=8",
        "+trainer.limit_train_batches=1.0,0.001",
        *SMALL,
    ]
    first = command(folder, *words)
    words[3:4] = ["+trainer.limit_train_batches=1.0", "seed=0,1"]
    again = command(folder, *words)
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("adhoc")
    runs = client.search_runs([experiment.experiment_id])
    children = [r for r in runs if r.data.tags["kind"] == "run"]
    parents = sorted(
        (r for r in runs if r.data.tags["kind"] == "sweep"), key=lambda r: r.info.start_time
    )
    return SimpleNamespace(
        folder=folder, first=first, again=again, client=client, children=children, parents=parents
    )


def test_every_child_carries_the_contract(sweep):
    assert len(sweep.children) == 2, sweep.first.stderr
    parents = {p.info.run_id for p in sweep.parents}
    for run in sweep.children:
        assert run.info.status == "FINISHED"
        assert run.data.params.keys() >= PARAMS
        assert run.data.tags.keys() >= TAGS
        assert run.data.metrics.keys() >= METRICS
        assert run.data.tags["mlflow.parentRunId"] in parents
        artifacts = {f.path for f in sweep.client.list_artifacts(run.info.run_id)}
        assert artifacts >= ARTIFACTS
        contexts = {i.tags[0].value: i.dataset.digest for i in run.inputs.dataset_inputs}
        assert contexts.keys() == {"training", "validation", "test"}
        assert len(set(contexts.values())) == 3


def test_the_store_is_handed_on_and_not_read_from_the_environment(sweep):
    assert not (sweep.folder / "unused").exists()


def test_the_gradient_is_logged_untrained_and_after_each_epoch(sweep):
    run = sweep.children[0].info.run_id
    history = sweep.client.get_metric_history(run, "gradient/decay")
    assert [m.step for m in history] == [0, 1]
    metrics = sweep.client.get_run(run).data.metrics
    assert metrics["untrained/gradient/decay"] == history[0].value
    assert metrics["gradient/decay"] == history[1].value
    folder = sweep.client.download_artifacts(run, "", str(sweep.folder))
    frame = pd.read_parquet(f"{folder}/gradients.parquet")
    assert set(frame.layer) == set(range(8))
    config = OmegaConf.load(f"{folder}/config.yaml")
    assert config.model.depth == 8
    assert config.trainer.max_epochs == 1


def test_a_failure_is_reported_and_stops_no_other(sweep):
    assert sweep.first.returncode == 1
    assert "trainer.limit_train_batches=0.001 of" in sweep.first.stderr
    assert [p.info.status for p in sweep.parents] == ["FAILED", "FINISHED"]
    assert "0 of 1" in sweep.first.stdout  # the table marks the hole


def test_what_is_done_is_not_trained_again(sweep):
    assert sweep.again.returncode == 0, sweep.again.stderr
    assert "2 runs: 1 done before, 1 to train" in sweep.again.stdout
    assert len({r.data.tags["key"] for r in sweep.children}) == 2


def test_the_parent_holds_plan_and_table(sweep):
    last = sweep.parents[-1]
    note = last.data.tags["mlflow.note.content"]
    assert "| variant |" in note
    folder = sweep.client.download_artifacts(last.info.run_id, "", str(sweep.folder))
    planned = json.loads(open(f"{folder}/plan.json", encoding="utf-8").read())["runs"]  # noqa: PTH123, SIM115
    assert {r["key"] for r in planned} == {r.data.tags["key"] for r in sweep.children}
    assert last.data.metrics["runs/finished"] == 2
    assert last.data.params["model.depth"] == "8"
    contexts = {i.tags[0].value for i in last.inputs.dataset_inputs}
    assert contexts == {"training", "validation", "test"}


def test_the_views_show_what_the_sweep_counts_though_it_was_done_before(sweep):
    last = sweep.parents[-1].info
    assert {r.data.tags["sweep"] for r in sweep.children} == {last.run_id}
    ((study, link),) = study_links(sweep.client, "http://127.0.0.1:5000/")
    assert study == "adhoc"
    assert link.startswith(f"http://127.0.0.1:5000/#/experiments/{last.experiment_id}/runs?")


def test_the_store_lets_readers_read_while_one_writes(sweep):
    import sqlite3

    with sqlite3.connect(sweep.folder / "store" / "mlflow.db") as database:
        assert database.execute("PRAGMA journal_mode").fetchone() == ("wal",)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--multirun", "study=skp"], "study=skp is none of"),
        (["--multirun", "study=skip", "pooling=blurmax"], "did you mean blur_max?"),
        (["--multirun", "study=skip", "poolng=max"], "poolng is no key"),
        (["model.depth=9"], "model.depth=9 is not 6n + 2: the nearest that is one is 8"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, arguments, message):
    done = command(tmp_path, *arguments, *SMALL)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "store").exists()  # nothing left behind


def test_make_lists_its_targets():
    listed = subprocess.run(["make"], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    for target in ("sweep", "plan", "table", "ui", "test", "lint", "clean"):
        assert f"make {target} " in listed.stdout
