"""The first signal ends the work where it is, never its tidying up; the second ends all."""

import contextlib
import os
import signal
import subprocess
import sys

import psutil
import pytest

from cnn_anatomy.core.interrupts import Stop, Stopped


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_raised_where_the_work_is(number, status):
    before = signal.getsignal(number)
    with pytest.raises(Stopped) as raised, Stop():  # noqa: PT012
        os.kill(os.getpid(), number)
        pytest.fail("went on")
    assert raised.value.status == status
    assert signal.getsignal(number) is before


def test_a_signal_waits_until_tidying_up_is_over():
    tidied = []
    stop = Stop()
    with pytest.raises(Stopped), stop, stop:  # noqa: PT012
        with stop.held():
            os.kill(os.getpid(), signal.SIGINT)
            tidied.append(True)
        pytest.fail("went on")
    assert tidied


def test_it_is_raised_once():
    stop = Stop()
    with stop:
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except Stopped:
            with stop.held():
                pass  # tidying up after it is not interrupted by itself
        else:
            pytest.fail("went on")


def test_the_second_signal_ends_the_process_and_its_children_at_once():
    code = (
        "import os, signal, subprocess, time\n"
        "from cnn_anatomy.core.interrupts import Stop\n"
        "child = subprocess.Popen(['sleep', '60'])\n"
        "print(child.pid, flush=True)\n"
        "stop = Stop()\n"
        "with stop, stop.held():\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    os.kill(os.getpid(), signal.SIGTERM)\n"
        "    print('went on')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 143
    assert done.stdout.split()[1:] == []
    with contextlib.suppress(psutil.NoSuchProcess):
        psutil.Process(int(done.stdout)).wait(timeout=10)
