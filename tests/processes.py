"""Real processes for tests: starting them, waiting for them, ending them, and free ports."""

import os
import signal
import socket
import subprocess
import sys
import time

from helpers import environment

TRAIN = (sys.executable, "-m", "cnn_anatomy.train")
STARTED: list[subprocess.Popen] = []  # killed by a fixture if a failed test leaves them


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
    output, errors = process.communicate(timeout=timeout)
    assert process.returncode == status, errors
    return output, errors


def kill(process, number=signal.SIGKILL):
    """End a process and its group, if it is alive."""
    if process.poll() is None:
        os.killpg(process.pid, number)
    process.wait()


def until(condition, what, seconds=240, *, process=None, explain=None):
    """Wait until `condition` returns something true, and return that.

    Args:
        condition: a function without arguments.
        what: what the error says is missing.
        seconds: the longest wait.
        process: a process whose end means that `condition` never comes true.
        explain: returns the text of a log for the error.
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
    """Return PYTHONPATH with `folders` put first."""
    inherited = os.environ.get("PYTHONPATH", "")
    return os.pathsep.join([*map(str, folders), *filter(None, [inherited])])
