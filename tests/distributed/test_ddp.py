"""One run in two processes: the numbers of one, everything logged once, and none left hanging."""

import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import psutil
import pytest
import share
import torch
from helpers import SMALL, environment
from mlflow import MlflowClient
from processes import TRAIN, ended, python_path, until
from processes import start as start_process

from cnn_anatomy.core.paths import CONF

pytestmark = pytest.mark.ddp
COMMAND = TRAIN
TORCHRUN = (
    *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--local-addr=127.0.0.1"),
    *("--nproc-per-node=2", "-m"),
)
# Of the last batch of 21 there is one image for two processes.
WORDS = (
    *("model.depth=8", *SMALL, "data.source.val=21", "data.source.test=23"),
    *("data.eval_batch_size=10", "trainer.accelerator=cpu", "trainer.precision=32-true"),
    *("trainer.max_epochs=2", "optimizer.lr=0.001", "scheduler.max_lr=0.001"),
    "probes.gradients.every=1",
)
# Side heads and pooling draw at random, so that the generators' states matter.
LONG = (*WORDS, "aux=heads", "pooling=stochastic", "trainer.max_epochs=40", "trainer.devices=2")
TIMEOUT_SECONDS = 300  # of a command, whose imports take long on a busy machine


def start(folder, *call, **more):
    path = python_path(Path(share.__file__).parent)
    return start_process(folder, *call, env=environment(folder, PYTHONPATH=path, **more))


def run(folder, *call, status=0):
    """Run a command to its end; return its standard output and error."""
    return ended(start(folder, *call), status, TIMEOUT_SECONDS)


def logged(folder):
    """Return the only run in the folder's store, its metrics' histories and gradients."""
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    experiment = client.get_experiment_by_name("adhoc").experiment_id
    (stored,) = client.search_runs([experiment], "tags.kind = 'run'")
    history = {
        name: [(m.step, m.value) for m in client.get_metric_history(stored.info.run_id, name)]
        for name in stored.data.metrics
        if not name.startswith("speed/")
    }
    files = {f.path for f in client.list_artifacts(stored.info.run_id)}
    gradients = None
    if "gradients.parquet" in files:
        path = client.download_artifacts(stored.info.run_id, "gradients.parquet", str(folder))
        gradients = pd.read_parquet(path)
    return SimpleNamespace(run=stored, history=history, files=files, gradients=gradients)


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    """Train in one process."""
    folder = tmp_path_factory.mktemp("one")
    run(folder, *COMMAND, *WORDS)
    return logged(folder)


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Train the same in two, by the real command."""
    folder = tmp_path_factory.mktemp("two")
    printed, errors = run(folder, *COMMAND, *WORDS, "trainer.devices=2", "trainer.strategy=ddp")
    assert printed.count("test accuracy") == 1
    assert "Traceback" not in errors
    return logged(folder)


@pytest.fixture(scope="module")
def long(tmp_path_factory):
    """Train longer in two processes, undisturbed."""
    folder = tmp_path_factory.mktemp("long")
    run(folder, *COMMAND, *LONG)
    return logged(folder)


def test_a_batch_in_two_shares_is_trained_on_as_a_whole(tmp_path):
    run(tmp_path, *TORCHRUN, "share", str(tmp_path / "shares.pt"))
    shares = torch.load(tmp_path / "shares.pt")
    for ours, whole in zip(shares, share.trained(0, 1), strict=True):
        torch.testing.assert_close(ours, whole, rtol=1e-12, atol=1e-12)


@pytest.mark.every_part
def test_two_processes_give_the_numbers_of_one(one, two):
    assert two.run.info.status == "FINISHED"
    assert two.run.data.tags["key"] == one.run.data.tags["key"]
    assert two.files == one.files
    assert two.history.keys() == one.history.keys()
    for name, history in one.history.items():
        steps, values = zip(*history, strict=True)
        assert [step for step, _ in two.history[name]] == list(steps), (
            name
        )  # not once in each process
        exact = "accuracy" in name or name.startswith(("params/", "macs", "consistency/"))
        tolerance = 1e-6 if exact else 1e-3
        assert [value for _, value in two.history[name]] == pytest.approx(
            values, rel=tolerance, abs=1e-3 if name.endswith("gradient/decay") else 1e-9
        ), name


def test_the_gradient_is_that_of_the_whole_batch(one, two):
    place = ["epoch", "step", "layer", "name"]
    pd.testing.assert_frame_equal(two.gradients[place], one.gradients[place])
    assert two.gradients.rms.to_numpy() == pytest.approx(one.gradients.rms.to_numpy(), rel=1e-3)


def test_torchrun_starts_them_as_well(tmp_path, two):
    printed, _ = run(tmp_path, *TORCHRUN, COMMAND[-1], *WORDS, "trainer.devices=2")
    assert printed.count("test accuracy") == 1
    assert logged(tmp_path).history == two.history


@pytest.mark.parametrize("rank", [0, 1])
def test_a_killed_process_ends_the_run_and_the_same_command_goes_on(tmp_path, long, rank):
    process = start(tmp_path, *COMMAND, *LONG)
    victim = process_of(process, rank)
    await_checkpoint(tmp_path, process)
    victim.kill()
    began = time.monotonic()
    _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    print(f"\nprocess {rank} killed: over after {time.monotonic() - began:.0f} s")
    assert process.returncode == 1
    assert f"process {rank} of 2 was ended by signal 9" in errors
    assert not psutil.pid_exists(victim.pid)
    if rank == 1:
        assert logged(tmp_path).run.info.status == "KILLED"
    run(tmp_path, *COMMAND, *LONG)
    resumed = logged(tmp_path)
    assert resumed.run.info.status == "FINISHED"
    assert resumed.run.data.tags["resumed"] == "1"
    assert resumed.history == long.history
    pd.testing.assert_frame_equal(resumed.gradients, long.gradients, check_exact=True)
    assert not list((tmp_path / "cache" / "checkpoints").rglob("*.ckpt"))


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGKILL, -9)],
    ids=["ctrl-c", "sigterm", "kill"],
)
def test_with_the_command_its_processes_end(tmp_path, number, status):
    process = start(tmp_path, *COMMAND, *LONG, "trainer.max_epochs=4000")
    ranks = [process_of(process, rank) for rank in (0, 1)]
    await_checkpoint(tmp_path, process)
    process.send_signal(number)
    process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == status
    _, alive = psutil.wait_procs(ranks, timeout=60)
    assert not alive
    assert logged(tmp_path).run.info.status == "KILLED"


def test_a_sweep_may_hold_such_runs(tmp_path):
    words = ("--multirun", "pooling=max,avg", *WORDS, "trainer.devices=2")
    printed, errors = run(tmp_path, *COMMAND, *words)
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("adhoc").experiment_id])
    assert [r.info.status for r in runs] == ["FINISHED"] * 3, errors
    assert len({r.data.tags["key"] for r in runs if r.data.tags["kind"] == "run"}) == 2
    assert "missing" not in printed


def test_what_fails_in_the_second_process_alone_is_told(tmp_path):
    words = (*WORDS, "trainer.devices=2", "+probes.fault._target_=share.Fault")
    _, errors = run(tmp_path, *COMMAND, "--multirun", "pooling=max", *words, status=1)
    last = errors.splitlines()[-1]
    reason = "process 1 of 2 failed: MemoryError: no room in the second"
    assert last == f"failed: adhoc: run s0: {reason}", errors


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_a_sweep_of_such_runs(tmp_path, workers):
    words = [w for w in LONG if not w.startswith("trainer.max_epochs=")]
    words += ["trainer.max_epochs=1,4000", "seed=0,1"]
    process = start(tmp_path, *COMMAND, "--multirun", *words, WORKERS=str(workers))
    await_checkpoint(tmp_path, process)  # in a worker that has trained a run before, if it is one
    family = psutil.Process(process.pid).children(recursive=True)
    assert sum("RANK" in p.environ() for p in family) >= 2
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == 130, errors
    assert "stopped: what is done is kept" in errors
    assert "failed: " not in errors
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    runs = client.search_runs([client.get_experiment_by_name("adhoc").experiment_id])
    killed = [r for r in runs if r.info.status == "KILLED"]
    assert 2 <= len(killed) <= 1 + workers, errors  # the sweep's own is one
    assert {r.info.status for r in runs} <= {"FINISHED", "KILLED"}, errors
    _, left = psutil.wait_procs(family, timeout=60)
    assert all(p.status() == psutil.STATUS_ZOMBIE for p in left), left


def test_other_folders_of_configurations_reach_every_process(tmp_path):
    group = tmp_path / "own" / "aux"
    group.mkdir(parents=True)
    text = (CONF / "aux" / "none.yaml").read_text()
    (group / "mine.yaml").write_text(text)
    folder = f"--config-dir={group.parent}"
    run(tmp_path, *COMMAND, folder, *WORDS, "trainer.devices=2", "aux=mine")
    assert logged(tmp_path).run.data.params["aux"] == "mine"


@pytest.mark.parametrize(
    ("call", "words", "message"),
    [
        (COMMAND, ("trainer.devices=2", "data.batch_size=21"), "is not a multiple of 2"),
        ((*TORCHRUN, COMMAND[-1]), (), "WORLD_SIZE=2 were started"),
        (COMMAND, ("trainer.devices=2", "+trainer.num_nodes=2"), "start them with torchrun"),
    ],
)
def test_a_mistake_is_one_sentence(tmp_path, call, words, message):
    process = start(tmp_path, *call, *WORDS, *words)
    _, errors = process.communicate(timeout=TIMEOUT_SECONDS)
    assert process.returncode == (1 if "torch.distributed.run" in call else 2)  # torchrun's own
    assert errors.count(message) == 1, errors
    assert not (tmp_path / "mlflow.db").exists()


def process_of(process, rank):
    """Return the process of `rank` that `process` has started, once there is one."""

    def child_of_rank():
        for child in psutil.Process(process.pid).children(recursive=True):
            with suppress(psutil.Error):  # it may have ended
                if child.environ().get("RANK") == str(rank):
                    return child
        return None

    return until(child_of_rank, f"process of rank {rank}", TIMEOUT_SECONDS, process=process)


def await_checkpoint(folder, process):
    """Wait until an epoch is over."""
    checkpoints = folder / "cache" / "checkpoints"
    until(lambda: [*checkpoints.rglob("last.ckpt")], "checkpoint", TIMEOUT_SECONDS, process=process)
