"""Tasks on a Ray cluster."""

from __future__ import annotations

import os
import signal
import socket
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.core.singleton import Singleton
from hydra.core.utils import JobReturn, run_job, setup_globals
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.hardware import visible_gpus
from cnn_anatomy.core.interrupts import STOP, Stopped
from cnn_anatomy.core.paths import STORE_VARIABLE
from cnn_anatomy.launchers.launcher import failed_job, one_line

CONNECT_TIMEOUT_SECONDS = 5.0
CANCEL_SECONDS = 60.0  # for cancelled tasks to end
POLL_SECONDS = 0.5  # for which a signal waits


class RayLauncher(Launcher):
    """A launcher on Ray: each run is a task, composed by its worker.

    hydra-ray-launcher would compose every run here and send its whole configuration, and one task
    that fails would end the sweep. Here a run that fails leaves the others alone, and a sweep that
    is stopped cancels its tasks.

    Ray keeps idle workers, so that one imports PyTorch once and trains many runs. Runs of a node
    that is lost begin again on another, at most `ray.remote.max_retries` times.

    Args:
        ray: `init`, the arguments of `ray.init`, and `remote`, what each run requires.
    """

    def __init__(self, *, ray: DictConfig) -> None:
        self.ray_config = ray

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep the task and what all runs share (Hydra's hook)."""
        self.hydra_context = hydra_context
        self.task_function = task_function
        self.config = config

    @property
    def workers(self) -> int:
        """Return how many runs are trained at once; a cluster elsewhere is asked for its size."""
        if self._address != "local":
            self._connect()
            return max(1, self._capacity(_living_nodes()))
        cpus, gpus = self.ray_config.init.num_cpus, self.ray_config.init.num_gpus
        machine = {
            "CPU": float((os.cpu_count() or 1) if cpus is None else cpus),
            "GPU": float(len(visible_gpus()) if gpus is None else gpus),
        }
        return max(1, self._capacity([machine]))

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Train a run per task, and return the outcome of each.

        Raises:
            ConfigError: if the cluster does not answer, or one started here is too small.
        """
        import ray

        self._connect()
        self._require_capacity()
        options = OmegaConf.to_container(self.ray_config.remote, resolve=True)
        assert isinstance(options, dict)
        task: Any = ray.remote(**{str(k): v for k, v in options.items()})(train_on_worker)
        parts = (
            *(self.hydra_context, self.config, self.task_function, Singleton.get_state()),
            os.environ.get(STORE_VARIABLE, ""),
        )
        shared = [ray.put(part) for part in parts]
        tasks = [
            task.remote(*shared, list(words), number)
            for number, words in enumerate(job_overrides, initial_job_idx)
        ]
        try:
            _wait(tasks)
            return [_outcome(task) for task in tasks]
        except BaseException:
            for task in tasks:
                ray.cancel(task)
            ray.wait(tasks, num_returns=len(tasks), timeout=CANCEL_SECONDS)
            raise

    @property
    def _address(self) -> str:
        """Return the cluster's address, `local` for one that is started here."""
        return self.ray_config.init.address or os.environ.get("RAY_ADDRESS") or "local"

    def _capacity(self, nodes: Sequence[Mapping[str, float]]) -> int:
        """Return how many runs fit on `nodes` at once, given the resources of each."""
        remote = self.ray_config.remote
        required = {"CPU": remote.num_cpus, "GPU": remote.num_gpus}
        required = {resource: amount for resource, amount in required.items() if amount}
        return sum(
            min((int(node.get(name, 0) / amount) for name, amount in required.items()), default=1)
            for node in nodes
        )

    def _require_capacity(self) -> None:
        """Refuse a cluster started here on which no run fits: Ray would wait for ever, silently.

        Nodes may still join a cluster that exists already, so for that one it prints a warning.
        """
        nodes = _living_nodes()
        if self._capacity(nodes):
            return
        remote = self.ray_config.remote
        largest = {kind: max(int(n.get(kind, 0)) for n in nodes) for kind in ("CPU", "GPU")}
        problem = (
            f"hydra/launcher=ray: a run takes hydra.launcher.ray.remote.num_cpus={remote.num_cpus} "
            f"and num_gpus={remote.num_gpus}, but no node has more than {largest['CPU']} and "
            f"{largest['GPU']}"
        )
        if self._address == "local":
            raise ConfigError(problem)
        print(f"{problem}: the sweep waits for one that joins", file=sys.stderr, flush=True)

    def _connect(self) -> None:
        """Connect to the cluster, or start one here.

        Raises:
            ConfigError: if Ray can't.
        """
        import ray

        if ray.is_initialized():
            return
        settings = OmegaConf.to_container(self.ray_config.init, resolve=True)
        assert isinstance(settings, dict)
        settings["address"] = self._address
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        _require_listener(self._address)
        handler = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(**{str(k): v for k, v in settings.items()})
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _unusable(self._address, error) from error
        finally:
            signal.signal(signal.SIGTERM, handler)  # Ray's would end the sweep without clean-up


def _living_nodes() -> list[dict[str, float]]:
    """Return the resources of each living node of the cluster."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def train_on_worker(
    context: HydraContext,
    config: DictConfig,
    task_function: TaskFunction,
    singletons: dict[Any, Any],
    uri: str,
    words: list[str],
    number: int,
) -> JobReturn:
    """Compose and train run `number` of a sweep on the store `uri`, in a worker of Ray's."""
    os.environ[STORE_VARIABLE] = uri
    setup_globals()
    Singleton.set_state(singletons)
    composed = context.config_loader.load_sweep_config(config, words)
    with open_dict(composed):
        composed.hydra.job.id = f"job_id_for_{number}"
        composed.hydra.job.num = number
    HydraConfig.instance().set_config(composed)
    try:
        with STOP:
            return run_job(
                hydra_context=context,
                task_function=task_function,
                config=composed,
                job_dir_key="hydra.sweep.dir",
                job_subdir_key="hydra.sweep.subdir",
            )
    except Stopped as stop:
        if stop.args[0] != signal.SIGINT:
            os._exit(stop.status)  # the node shuts down: Ray begins a lost worker's run again
        raise KeyboardInterrupt from stop  # which Ray reads as a cancelled task


def _require_listener(address: str) -> None:
    """Refuse an address host:port where nothing listens: Ray would retry for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_TIMEOUT_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise _unusable(address, error) from error


def _unusable(address: str, error: Exception) -> ConfigError:
    return ConfigError(
        f"hydra/launcher=ray can't use {address} (hydra.launcher.ray.init.address or "
        f"RAY_ADDRESS): {one_line(error)}"
    )


def _wait(tasks: list[Any]) -> None:
    """Wait until all tasks have ended.

    Signals are held while Ray's code runs: it would turn the exception of our handler into one of
    its own.
    """
    import ray

    waiting = tasks
    while waiting:
        with STOP.held():
            _, waiting = ray.wait(waiting, num_returns=len(waiting), timeout=POLL_SECONDS)


def _outcome(task: Any) -> JobReturn:
    import ray

    try:
        return ray.get(task)
    except ray.exceptions.RayError as error:
        return failed_job(f"Ray's task failed: {type(error).__name__}: {one_line(error)[:300]}")
