"""Commands that tests start as real processes: starting them, waiting for them, free ports."""

import os
import signal
import socket
import subprocess
import sys
import time

from helpers import environment

TRAIN = (sys.executable, "-m", "cnn_anatomy.train")
STARTED: list[subprocess.Popen] = []  # a fixture kills those that a failed test leaves behind


def start(folder, *call, env=None, log=None):
    """Start a command in `folder` as the leader of a process group.

    Args:
        folder: is created if it is missing.
        call: program and arguments.
        env: the environment; by default store and cache are in `folder`.
        log: file to which the output is appended; by default it is piped.
    """
    folder.mkdir(exist_ok=True)
    output = subprocess.PIPE if log is None else log.open("a")
    process = subprocess.Popen(
        call,
        cwd=folder,
        env=environment(folder) if env is None else env,
        stdout=output,
        stderr=output,
        text=True,
        start_new_session=True,
    )
    if log is not None:
        output.close()
    STARTED.append(process)
    return process


def ended(process, status=0, timeout=500):
    """Wait until a process has ended with `status`; return its standard output and error."""
    printed, told = process.communicate(timeout=timeout)
    assert process.returncode == status, told
    return printed, told


def kill(process, number=signal.SIGKILL):
    """End a process and its group, if it is alive."""
    if process.poll() is None:
        os.killpg(process.pid, number)
    process.wait()


def until(condition, what, seconds=240, *, process=None, explain=None):
    """Wait until `condition` returns something true, and return that.

    Args:
        condition: a function without arguments.
        what: name of what is waited for, in the error.
        seconds: to wait at most.
        process: one without which `condition` can't come true: its end is a failure.
        explain: function that returns the text of a log, for the error.
    """
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        result = condition()
        if result:
            return result
        if process is not None and process.poll() is not None:
            log = explain() if explain else process.communicate()[1]
            raise AssertionError(f"status {process.returncode} before {what}: {log}")
        time.sleep(0.2)
    raise AssertionError(f"no {what} within {seconds} s: {explain() if explain else ''}")


def free_port():
    """Return a port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def python_path(*folders):
    """Return PYTHONPATH with `folders` before what it has."""
    before = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join([*map(str, folders), *filter(None, [before])])
