"""Starting the processes that train one network, as torchrun does."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.interrupts import STOP
from cnn_anatomy.distributed.process_group import world

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

TORCHRUN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def started(per_node: int, nodes: int, command: Sequence[str]) -> bool:
    """Start `per_node` processes and wait until they have ended, unless this is one of them.

    `command` is what Python is given in each of them. Return False where there is nothing to
    start: for one process, and in those that were started here, by torchrun or by srun.

    Raises:
        ConfigError: if another number was started, or there are to be several nodes.
        Stopped: on Ctrl-C or SIGTERM, when they have ended.
        SystemExit: if they end otherwise than well; its cause says which of them did, and why.
    """
    count = per_node * nodes
    if count > 1 and world() == 1 and int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) == count:
        _take_slurms()
    if world() == count:
        return False
    if world() > 1:
        raise ConfigError(
            f"trainer.devices={per_node} asks for {count} processes, but WORLD_SIZE="
            f"{world()} were started: give trainer.devices what each node starts"
        )
    if nodes > 1:
        raise ConfigError(
            f"trainer.num_nodes={nodes} asks for processes on other machines: start "
            "them with torchrun or srun"
        )
    _supervise(count, command)
    return True


def _supervise(count: int, command: Sequence[str]) -> None:
    """Start `count` processes as torchrun does; when one ends badly, the others are ended, too."""
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs, SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    for name in ("torch.distributed.elastic", "torch.distributed.elastic.agent.server.api"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with STOP, tempfile.TemporaryDirectory() as logs:
        settings = LaunchConfig(
            min_nodes=1,
            max_nodes=1,
            nproc_per_node=count,
            run_id=str(os.getpid()),
            rdzv_backend="c10d",
            rdzv_endpoint="127.0.0.1:0",
            local_addr="127.0.0.1",
            max_restarts=0,
            logs_specs=DefaultLogsSpecs(log_dir=logs),
            signals_to_handle=",".join(
                s.name for s in TORCHRUN_SIGNALS if signal.getsignal(s) is not signal.SIG_IGN
            ),
        )
        try:
            with _handlers_kept():
                elastic_launch(settings, sys.executable)(*command)
        except SignalException as error:
            signal.raise_signal(error.sigval)  # now to whom it would have gone
            raise SystemExit(128 + error.sigval) from None
        except ChildFailedError as error:
            number, failure = _cause(error.failures)
            status = failure.exitcode
            if status < 0:
                print(
                    f"process {number} of {count} was ended by signal {-status}: the run is "
                    "stopped, the same command goes on",
                    file=sys.stderr,
                )
            said = failure.error_file_data["message"]  # a dictionary if the process has left word
            told = said["message"] if isinstance(said, dict) else None
            reason = RuntimeError(f"process {number} of {count} failed: {told}") if told else None
            raise SystemExit(status if status > 0 else 1) from reason


def _cause(failures: Mapping[int, ProcessFailure]) -> tuple[int, ProcessFailure]:
    """Return rank and failure of the process that failed first.

    Those that were then ended by SIGTERM may have seen the same error no later.
    """
    ended = (128 + signal.SIGTERM, -signal.SIGTERM)
    own = {r: f for r, f in failures.items() if f.exitcode not in ended} or failures
    return min(own.items(), key=lambda pair: pair[1].timestamp)


@contextmanager
def _handlers_kept() -> Iterator[None]:
    """Put the signals' handlers back at the end: PyTorch leaves its own to whatever comes next."""
    before = {number: signal.getsignal(number) for number in TORCHRUN_SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)


def _take_slurms() -> None:
    """Say to PyTorch what srun says of this process."""
    from lightning.fabric.plugins.environments import SLURMEnvironment

    slurm = SLURMEnvironment()
    os.environ["RANK"] = str(slurm.global_rank())
    os.environ["WORLD_SIZE"] = str(slurm.world_size())
    os.environ["LOCAL_RANK"] = str(slurm.local_rank())
    os.environ["MASTER_ADDR"] = slurm.main_address
    os.environ["MASTER_PORT"] = str(slurm.main_port)
