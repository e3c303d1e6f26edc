"""On a GPU: runs are the same beside others, and the Multi-Process Service ends with its sweep."""

import os
import shutil
import signal
import tempfile
from pathlib import Path

import psutil
import pytest
import torch
from processes import ended, until
from sweeps import LONG, SWEEP, TINY, results, start

from cnn_anatomy.launchers.mps import PIPES, PROGRAM

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
needs_service = pytest.mark.skipif(shutil.which(PROGRAM) is None, reason=f"no {PROGRAM}")
SHARED = {"RUNS_PER_GPU": "2", "WORKERS": "null"}


@pytest.fixture
def temporary():
    """A folder for the service's sockets, whose paths may have a hundred letters at most."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        yield Path(folder)


def daemons(folder):
    """Return the service's processes whose sockets are in `folder`."""
    found = []
    for process in psutil.process_iter():
        try:
            is_daemon = process.name().startswith(PROGRAM[:15])  # as long as Linux keeps a name
            if is_daemon and process.environ().get(PIPES, "").startswith(str(folder)):
                found.append(process)
        except psutil.Error:  # it has ended, or is another user's
            continue
    return found


def test_a_run_is_the_same_alone_on_the_card_and_beside_others(tmp_path):
    for runs in ("1", "4"):
        words = ("local", *SWEEP, "aux=none,heads")
        more = {"RUNS_PER_GPU": runs, "WORKERS": "null"}
        ended(start(tmp_path / runs, *words, **more))
    assert len({key for key, *_ in results(tmp_path / "1")}) == 8
    assert results(tmp_path / "1") == results(tmp_path / "4")


@needs_service
@pytest.mark.parametrize(
    ("words", "status"),
    [(("seed=0,1", *TINY), 0), (("seed=0,1", *TINY, "optimizer.lr=1e30"), 1)],
    ids=["success", "failure"],
)
def test_the_service_ends_with_the_sweep(tmp_path, temporary, words, status):
    process = start(tmp_path / "sweep", "local", *words, TMPDIR=str(temporary), **SHARED)
    until(lambda: daemons(temporary), "a daemon", process=process)
    ended(process, status)
    assert not daemons(temporary)
    assert not list(temporary.glob("cnn-anatomy-mps-*"))


@needs_service
def test_the_service_ends_with_an_interrupt(tmp_path, temporary):
    process = start(tmp_path / "sweep", "local", *LONG, TMPDIR=str(temporary), **SHARED)
    until(lambda: daemons(temporary), "a daemon", process=process)
    process.send_signal(signal.SIGINT)
    ended(process, 130)
    assert not daemons(temporary)


@needs_service
def test_the_next_sweep_ends_what_a_killed_one_leaves(tmp_path, temporary):
    process = start(tmp_path / "sweep", "local", *LONG, TMPDIR=str(temporary), **SHARED)
    left = until(lambda: daemons(temporary), "a daemon", process=process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    words = ("local", "seed=0,1", *TINY)
    ended(start(tmp_path / "next", *words, TMPDIR=str(temporary), **SHARED))
    assert not daemons(temporary)
    assert not any(daemon.is_running() for daemon in left)
