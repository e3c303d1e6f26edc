"""A process is known by when it started, not by what the clock says of it."""

import os
import subprocess
import sys
import time

import pytest

from cnn_anatomy.core.processes import process_start


def test_a_process_has_one_start_and_no_other_has_it():
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        first = process_start(other.pid)
        time.sleep(0.1)
        assert first == process_start(other.pid) is not None
        assert process_start(os.getpid()) not in (first, None)
        other.communicate(b"\n")
    assert process_start(other.pid) is None


def test_a_zombie_is_no_process():
    ended = subprocess.Popen([sys.executable, "-c", ""])
    end = time.monotonic() + 20
    while process_start(ended.pid) is not None:  # not waited for, so that it stays as a zombie
        assert time.monotonic() < end
        time.sleep(0.05)
    ended.wait()


def test_a_number_that_nobody_has():
    assert process_start(2**22 + 1) is None


@pytest.mark.skipif(sys.platform != "linux", reason="reads the kernel's own count")
def test_a_command_may_be_called_anything(tmp_path):
    odd = tmp_path / "a) R 1 (b"
    odd.symlink_to("/bin/sleep")
    with subprocess.Popen([odd, "30"]) as process:
        boot, ticks = (process_start(process.pid) or "").split(":")
        process.kill()
    assert len(boot) == 36
    assert ticks.isdigit()
