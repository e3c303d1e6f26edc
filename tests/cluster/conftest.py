"""What the tests of launchers share."""

import os
import signal

import pytest
import sweeps


@pytest.fixture(autouse=True)
def _no_sweep_is_left():
    """Kill the sweeps that a test that failed has left."""
    yield
    while sweeps.STARTED:
        process = sweeps.STARTED.pop()
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
