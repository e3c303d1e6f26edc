"""Folders that can't be written, and caches cut short, by the real command."""

import os
import resource
import shutil
import subprocess

import numpy as np
import pytest
from helpers import REPOSITORY, SMALL, environment
from mlflow import MlflowClient
from processes import TRAIN, python_path

from cnn_anatomy.core.places import TRIED_BYTES
from cnn_anatomy.data.cache import cached

PLAN = (*TRAIN, "--multirun", "pooling=max,avg", *SMALL, "hydra.sweeper.plan=true")
RUN = (*TRAIN, *SMALL, "model.depth=8", "trainer.precision=32-true")
SHELL = ("unshare", "--mount", "sh", "-euc")


def may_mount():
    """Return whether this process may mount file systems in a namespace of its own."""
    return subprocess.run([*SHELL, "mount -t tmpfs none /mnt"], capture_output=True).returncode == 0


needs_mount = pytest.mark.skipif(not may_mount(), reason="this process may not mount a file system")


def run(*call, folder, preexec=None, **variables):
    process = subprocess.run(
        call,
        cwd=folder,
        env=environment(folder, **variables),
        preexec_fn=preexec,
        capture_output=True,
        text=True,
        check=False,
    )
    return process.returncode, process.stdout, process.stderr.strip()


def mounted(options, place, *call):
    """Return the call in a namespace where `place` is mounted, tmpfs or itself, with `options`."""
    return (*SHELL, f'mount {options} "$1"; shift; exec "$@"', "sh", str(place), *call)


@needs_mount
@pytest.mark.parametrize("call", [PLAN, RUN], ids=["sweep", "run"])
def test_a_full_disk_is_said_before_anything_is_trained(call, tmp_path):
    (tmp_path / "cache").mkdir()
    full = mounted(f"-t tmpfs -o size={TRIED_BYTES // 2} none", tmp_path / "cache", *call)
    status, _, said = run(*full, folder=tmp_path)
    assert (status, said) == (
        2,
        f"{tmp_path}/cache can't be written (No space left on device): name another by "
        "CNN_ANATOMY_CACHE",
    )
    assert not (tmp_path / "mlflow.db").exists()


@needs_mount
@pytest.mark.slow
def test_a_disk_that_fills_while_training_interrupts_the_run(tmp_path):
    (tmp_path / "cache").mkdir()
    script = (
        'cache=$1; shift; mount -t tmpfs -o size=2m none "$cache"; "$@" && exit 9; '
        'echo "status $?"; mount -o remount,size=64m "$cache"; "$@"'
    )
    large = ("model.width=48", "trainer.max_epochs=2")  # weights of 2.7 MB
    status, printed, said = run(
        *(*SHELL, script, "sh", str(tmp_path / "cache"), *RUN, *large), folder=tmp_path
    )
    assert status == 0, said
    assert [line.split(" ")[0] for line in printed.splitlines()] == ["status", "test"]
    assert printed.startswith("status 1\n")
    client = MlflowClient(f"sqlite:///{tmp_path}/mlflow.db")
    experiment = client.get_experiment_by_name("adhoc").experiment_id
    (trained,) = client.search_runs([experiment])
    assert (trained.info.status, trained.data.tags["resumed"]) == ("FINISHED", "1")
    weights = tmp_path / "cache" / "checkpoints" / trained.info.run_id / "best.ckpt"
    sentence = f"no space is left on the disk for {weights}: make room; what is done is kept, the "
    assert said.splitlines().count(f"{sentence}same command goes on") == 1
    assert "Traceback" not in said


def test_a_quota_is_said_before_anything_is_trained(tmp_path):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (TRIED_BYTES // 2, TRIED_BYTES // 2))

    outputs = tmp_path / "outputs"
    status, _, said = run(*RUN, folder=tmp_path, preexec=limit, CNN_ANATOMY_OUTPUTS=str(outputs))
    assert (status, said) == (
        2,
        f"{outputs} can't be written (File too large): name another by CNN_ANATOMY_OUTPUTS",
    )
    assert not (tmp_path / "mlflow.db").exists()


@needs_mount
@pytest.mark.slow
@pytest.mark.every_part
def test_a_checkout_that_can_not_be_written_is_swept_with_places_elsewhere(tmp_path):
    checkout, elsewhere = tmp_path / "checkout", tmp_path / "elsewhere"
    for part in ("src", "conf"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(REPOSITORY / part, checkout / part, ignore=ignored)
    elsewhere.mkdir()

    def sweep(**variables):
        words = (*TRAIN, "--multirun", "seed=0", *RUN[len(TRAIN) :])
        readonly = mounted(f'-o bind,ro "{checkout}"', checkout, "env", "-C", checkout, *words)
        path = python_path(checkout / "src")
        return run(*map(str, readonly), folder=elsewhere, PYTHONPATH=path, **variables)

    status, _, said = sweep()
    assert (status, said) == (
        2,
        f"{checkout}/outputs can't be written (Read-only file system): name another by "
        "CNN_ANATOMY_OUTPUTS",
    )
    status, printed, said = sweep(CNN_ANATOMY_OUTPUTS=str(elsewhere / "outputs"))
    assert status == 0, said
    page = elsewhere / "outputs" / "results" / "adhoc" / "README.md"
    assert str(page) in printed
    assert page.exists()


@pytest.mark.slow
@pytest.mark.every_part
def test_caches_cut_short_are_made_anew(tmp_path):
    """Images, the store's runs, and the weights of a transfer's source."""
    call = (*TRAIN, "--multirun", "seed=0", "transfer=same", *RUN[len(TRAIN) :])
    outputs = {"CNN_ANATOMY_OUTPUTS": str(tmp_path / "outputs")}
    status, printed, said = run(*call, folder=tmp_path, **outputs)
    assert status == 0, said
    caches = [p for p in (tmp_path / "cache").rglob("*") if p.suffix in (".npz", ".parquet", ".pt")]
    assert {path.suffix for path in caches} == {".npz", ".parquet", ".pt"}
    for path in caches:
        os.truncate(path, path.stat().st_size // 2)
    status, again, said = run(*call, "hydra.sweeper.force=true", folder=tmp_path, **outputs)
    assert status == 0, said
    for path in caches:
        assert said.count(f"{path} was damaged and is made anew") == 1
    assert not list(tmp_path.rglob("*.part"))
    assert printed.splitlines()[-2:] == again.splitlines()[-2:]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04", b"no archive", None])
def test_damaged_arrays_are_computed_again(content, tmp_path, capsys):
    made = {"images": np.arange(5)}
    (before,) = cached(tmp_path, "arrays", {"a": 1}, lambda: made).values()
    (file,) = tmp_path.iterdir()
    if content is None:  # a flipped bit in the middle
        whole = bytearray(file.read_bytes())
        whole[len(whole) // 2] ^= 8
        content = bytes(whole)
    file.write_bytes(content)
    (after,) = cached(tmp_path, "arrays", {"a": 1}, lambda: made).values()
    assert (before == after).all()
    assert f"{file} was damaged and is made anew" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [file]
