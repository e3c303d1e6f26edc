"""The Multi-Process Service is started for a sweep and ended after it, by a program that stands in.

The program keeps its state as NVIDIA's does: `-d` begins, `quit` ends, both by the pipe folder.
"""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from processes import python_path

from cnn_anatomy.launchers.mps import LOGS, PIPES, PREFIX, MultiProcessService, stop_orphans

PROGRAM = """#!/bin/sh
if [ "$1" = -d ]; then mkdir -p "$CUDA_MPS_PIPE_DIRECTORY" && echo start >> "$CALLS"
else read -r line; test -d "$CUDA_MPS_PIPE_DIRECTORY" && echo "$line" >> "$CALLS"; fi
"""


@pytest.fixture
def calls(tmp_path, monkeypatch):
    """Put the program on PATH and return a function that lists what it was told."""
    program = tmp_path / "bin" / "nvidia-cuda-mps-control"
    program.parent.mkdir()
    program.write_text(PROGRAM)
    program.chmod(0o755)
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("PATH", f"{program.parent}:{os.environ['PATH']}")
    monkeypatch.setenv("CALLS", str(tmp_path / "calls"))
    for name in (PIPES, LOGS):
        monkeypatch.delenv(name, raising=False)
    return lambda: (tmp_path / "calls").read_text().split("\n")[:-1]


def folders():
    return list(Path(tempfile.gettempdir()).glob(f"{PREFIX}*"))


def test_it_is_started_and_ended_and_leaves_nothing(calls):
    service = MultiProcessService()
    service.start()
    assert os.environ[PIPES] == f"{service.folder}/pipe"
    service.stop()
    service.stop()
    assert calls() == ["start", "quit -t 10"]
    assert PIPES not in os.environ
    assert not folders()


def test_the_users_own_is_used(calls, monkeypatch, tmp_path):
    monkeypatch.setenv(PIPES, "/run/mps")
    service = MultiProcessService()
    service.start()
    service.stop()
    assert os.environ[PIPES] == "/run/mps"
    assert not (tmp_path / "calls").exists()


def test_without_the_program_or_if_it_fails_one_line_says_so(calls, monkeypatch, capsys, tmp_path):
    (tmp_path / "bin" / "nvidia-cuda-mps-control").write_text(
        "#!/bin/sh\necho no GPU >&2; exit 1\n"
    )
    service = MultiProcessService()
    service.start()
    assert "-d failed: no GPU" in capsys.readouterr().err
    assert service.folder is None
    assert not folders()
    monkeypatch.setenv("PATH", "/nowhere")
    service.start()
    assert "nvidia-cuda-mps-control is not there" in capsys.readouterr().err


SWEEP = """
import sys, time
from weakref import finalize
from cnn_anatomy.core.interrupts import STOP
from cnn_anatomy.launchers.mps import MultiProcessService
service = MultiProcessService()
owner = type("Owner", (), {})()
finalize(owner, service.stop)
with STOP:
    service.start()
    print("started", flush=True)
    if sys.argv[1] == "fail":
        raise ValueError
    while sys.argv[1] == "wait":
        STOP.check()
        time.sleep(0.1)
"""


@pytest.mark.parametrize(
    ("end", "number"),
    [("succeed", None), ("fail", None), ("wait", signal.SIGINT), ("wait", signal.SIGTERM)],
)
def test_it_ends_however_the_process_does(calls, end, number):
    process = sweep(end)
    if number is not None:
        process.send_signal(number)
    process.wait(30)
    assert calls() == ["start", "quit -t 10"]
    assert not folders()


def test_one_whose_process_was_killed_is_ended_by_the_next(calls):
    process = sweep("wait")
    stop_orphans()
    assert calls() == ["start"]  # the process lives
    process.kill()
    process.wait(30)
    stop_orphans()
    assert calls() == ["start", "quit -t 10"]
    assert not folders()


def sweep(end):
    process = subprocess.Popen(
        [sys.executable, "-c", SWEEP, end],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": python_path()},
    )
    assert process.stdout.readline() == "started\n"
    return process
