"""Launching the ranks of a run on this machine, as torchrun does."""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.interrupts import STOP
from cnn_anatomy.distributed.process_group import await_rank_zero, world_size

if TYPE_CHECKING:
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure
    from torch.distributed.launcher.api import LaunchConfig

TORCHRUN_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)


def launch_ranks(per_node: int, nodes: int, command: Sequence[str]) -> bool:
    """Launch `per_node` processes and wait for them; return False if this process is to train.

    That is so for a run of one process, and in processes that this function, torchrun or srun has
    launched. `command` is the Python command line of each process.

    Raises:
        ConfigError: if another number was launched, or the run needs several nodes.
        Stopped: on Ctrl-C or SIGTERM, after the processes have ended.
        SystemExit: if one of them fails; its cause says which one, and why.
    """
    count = per_node * nodes
    if count > 1 and world_size() == 1 and int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) == count:
        _adopt_slurm_environment()
    if world_size() == count:
        return False
    if world_size() > 1:
        await_rank_zero()
        raise ConfigError(
            f"trainer.devices={per_node} asks for {count} processes, but WORLD_SIZE="
            f"{world_size()} were started: give trainer.devices what each node starts"
        )
    if nodes > 1:
        raise ConfigError(
            f"trainer.num_nodes={nodes} asks for processes on other machines: start "
            "them with torchrun or srun"
        )
    _supervise(count, command)
    return True


def _supervise(count: int, command: Sequence[str]) -> None:
    """Launch `count` processes and wait for them; if one fails, end the others."""
    from torch.distributed.elastic.multiprocessing import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import elastic_launch

    for name in ("torch.distributed.elastic", "torch.distributed.elastic.agent.server.api"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
    with STOP, tempfile.TemporaryDirectory() as logs:
        try:
            with _signal_handlers_restored():
                elastic_launch(_launch_config(count, logs), sys.executable)(*command)
        except SignalException as error:
            signal.raise_signal(error.sigval)  # for STOP, which had no handler meanwhile
            raise SystemExit(128 + error.sigval) from None
        except ChildFailedError as error:
            _exit_like(error.failures, count)


def _launch_config(count: int, logs: str) -> LaunchConfig:
    from torch.distributed.elastic.multiprocessing import DefaultLogsSpecs
    from torch.distributed.launcher.api import LaunchConfig

    return LaunchConfig(
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


def _exit_like(failures: Mapping[int, ProcessFailure], count: int) -> NoReturn:
    """Raise SystemExit with the status of the rank that failed first, and its error as the cause.

    A rank that was then ended by SIGTERM may have met the same error, so it is considered last.
    """
    ended_by_supervisor = (128 + signal.SIGTERM, -signal.SIGTERM)
    causes = {r: f for r, f in failures.items() if f.exitcode not in ended_by_supervisor}
    rank, failure = min((causes or failures).items(), key=lambda item: item[1].timestamp)
    status = failure.exitcode
    if status < 0:
        print(
            f"process {rank} of {count} was ended by signal {-status}: the run is "
            "stopped, the same command goes on",
            file=sys.stderr,
        )
    report = failure.error_file_data["message"]  # a mapping if the process has reported an error
    message = report["message"] if isinstance(report, dict) else None
    cause = RuntimeError(f"process {rank} of {count} failed: {message}") if message else None
    raise SystemExit(status if status > 0 else 1) from cause


@contextmanager
def _signal_handlers_restored() -> Iterator[None]:
    """Restore the signal handlers at the end; PyTorch leaves its own in place."""
    handlers = {number: signal.getsignal(number) for number in TORCHRUN_SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            for number, handler in handlers.items():
                signal.signal(number, handler)


def _adopt_slurm_environment() -> None:
    """Set torchrun's environment variables from those of srun."""
    from lightning.fabric.plugins.environments import SLURMEnvironment

    slurm = SLURMEnvironment()
    os.environ["RANK"] = str(slurm.global_rank())
    os.environ["WORLD_SIZE"] = str(slurm.world_size())
    os.environ["LOCAL_RANK"] = str(slurm.local_rank())
    os.environ["MASTER_ADDR"] = slurm.main_address
    os.environ["MASTER_PORT"] = str(slurm.main_port)
