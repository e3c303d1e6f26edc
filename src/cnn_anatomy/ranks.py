"""The processes that train one network together: who this one is, how they start, agree and end.

Each has a rank and knows how many they are from the environment variables of torchrun. Rank zero
alone keeps the run: it opens it in MLflow, prints and writes.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

from cnn_anatomy.errors import ConfigError
from cnn_anatomy.tracking.stop import STOP, Stopped

if TYPE_CHECKING:
    from torch import Tensor
    from torch.distributed.elastic.multiprocessing.errors import ProcessFailure

PATIENCE = timedelta(hours=1)  # for another rank, which may wait for a server or a lock
TORCHRUNS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)  # that it handles
MOMENT = 10.0  # seconds in which rank zero fails at what any rank fails at
T = TypeVar("T")


class Lost(Stopped):
    """Raised where a rank was when another rank ended; the run can go on from its checkpoint."""

    status = 1
    reason = "another of its processes ended"


def rank() -> int:
    """Return which of the processes this one is, from zero."""
    return int(os.environ.get("RANK", 0))


def world() -> int:
    """Return how many processes train together."""
    return int(os.environ.get("WORLD_SIZE", 1))


def started(trainer: Mapping[str, Any], overrides: Sequence[str]) -> bool:
    """Start the processes that `trainer` asks for and see them end, unless this is one of them.

    `overrides` are those of the run. Return False where there is nothing to start: for one
    process, and in those that were started here, by torchrun or by srun.

    Raises:
        ConfigError: if another number was started, or there are to be several nodes.
        Stopped: on Ctrl-C or SIGTERM, when they have ended.
        SystemExit: if they end otherwise than well; its cause says which of them did, and why.
    """
    count = _wanted(trainer)
    if count > 1 and world() == 1 and int(os.environ.get("SLURM_STEP_NUM_TASKS", 1)) == count:
        _take_slurms()
    if world() == count:
        return False
    if world() > 1:
        raise ConfigError(
            f"trainer.devices={trainer['devices']} asks for {count} processes, but WORLD_SIZE="
            f"{world()} were started: give trainer.devices what each node starts"
        )
    if trainer.get("num_nodes", 1) > 1:
        raise ConfigError(
            f"trainer.num_nodes={trainer['num_nodes']} asks for processes on other machines: start "
            "them with torchrun or srun"
        )
    _supervise(count, overrides)
    return True


@contextmanager
def connected() -> Iterator[None]:
    """Join the other processes, if there are any, and leave them at the end."""
    if world() == 1:
        yield
        return
    from torch import distributed

    _follow_parent()
    distributed.init_process_group(timeout=PATIENCE)
    yield
    distributed.destroy_process_group()


@contextmanager
def together() -> Iterator[None]:
    """Tell what fails here from what fails because another rank has ended.

    Raises:
        Lost: if it is that.
    """
    try:
        yield
    except Exception as error:
        if world() == 1:
            raise
        if _is_echo(error):
            raise Lost(signal.SIGTERM) from error
        if _record(error) and rank() > 0:
            time.sleep(MOMENT)  # rank zero, which can tell it, most likely fails at the same
        raise


def shared(value: T) -> T:
    """Return rank zero's `value` on every rank, once all have come here."""
    if world() == 1:
        return value
    from torch import distributed

    held = [value]
    distributed.broadcast_object_list(held, src=0)
    return held[0]


def gathered(value: T) -> list[T]:
    """Return the `value` of every rank, in order."""
    if world() == 1:
        return [value]
    from torch import distributed

    held: list[Any] = [None] * world()
    distributed.all_gather_object(held, value)
    return held


def average(tensors: Sequence[Tensor]) -> None:
    """Replace each of `tensors` by its mean over the ranks."""
    if world() == 1 or not tensors:
        return
    import torch
    from torch import distributed

    flat = torch.cat([t.detach().reshape(-1) for t in tensors])
    distributed.all_reduce(flat)
    flat /= world()
    for tensor, mean in zip(tensors, flat.split([t.numel() for t in tensors]), strict=True):
        tensor.detach().copy_(mean.reshape(tensor.shape))


def _wanted(trainer: Mapping[str, Any]) -> int:
    devices = trainer["devices"]
    if not str(devices).isdigit():
        from cnn_anatomy.trial import made_trainer

        devices = made_trainer(trainer).num_devices
    return int(devices) * int(trainer.get("num_nodes", 1))


def _supervise(count: int, overrides: Sequence[str]) -> None:
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
                s.name for s in TORCHRUNS if signal.getsignal(s) is not signal.SIG_IGN
            ),
        )
        try:
            with _handlers_kept():
                elastic_launch(settings, sys.executable)("-m", "cnn_anatomy.train", *overrides)
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
    before = {number: signal.getsignal(number) for number in TORCHRUNS}
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


def _follow_parent() -> None:
    """Have this process stopped when the one that started it is gone: nobody would, else."""
    parent = os.getppid()

    def follow() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=follow, daemon=True).start()


def _record(error: Exception) -> bool:
    """Leave word of `error` for whoever supervises the processes; return False if it was left."""
    from torch.distributed.elastic.multiprocessing.errors import get_error_handler

    if hasattr(error, "recorded"):
        return False
    error.recorded = True  # type: ignore[attr-defined]
    get_error_handler().record_exception(error)
    return True


def _is_echo(error: Exception) -> bool:
    """Return whether `error` is that of an exchange with another rank which is no more."""
    from torch import distributed

    return isinstance(error, distributed.DistError) or "gloo" in str(error)
