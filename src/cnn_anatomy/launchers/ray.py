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
from hydra.types import HydraContext, TaskFunction
from hydra_plugins.hydra_ray_launcher import ray_launcher
from omegaconf import DictConfig, OmegaConf, open_dict

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.hardware import visible_gpus
from cnn_anatomy.core.interrupts import STOP, Stopped
from cnn_anatomy.launchers.lost_job import died


class RayLauncher(ray_launcher.RayLauncher):
    """Hydra's launcher on Ray, with three differences.

    A run whose task failed for good is its own failure: the others go on. A sweep that is stopped
    cancels its tasks. What all runs share is sent once, and each is composed by its worker.

    Ray keeps idle workers, so that one imports PyTorch once and trains many runs; it begins the
    runs of a node that is lost again elsewhere, `ray.remote.max_retries` times.
    """

    @property
    def workers(self) -> int:
        """Return how many runs there is room for at once, if only when the cluster has begun."""
        if self._address != "local":
            self._start()
            return max(1, self._room(_nodes()))
        cpus, gpus = self.ray_cfg.init.num_cpus, self.ray_cfg.init.num_gpus
        here = {
            "CPU": float((os.cpu_count() or 1) if cpus is None else cpus),
            "GPU": float(len(visible_gpus()) if gpus is None else gpus),
        }
        return max(1, self._room([here]))

    def launch(
        self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int
    ) -> Sequence[JobReturn]:
        """Run all jobs as tasks, and return what became of each.

        Raises:
            ConfigError: if the cluster does not answer, or one of this machine is too small.
        """
        import ray

        self._start()
        self._require_room()
        options = OmegaConf.to_container(self.ray_cfg.remote, resolve=True)
        assert isinstance(options, dict)
        task: Any = ray.remote(**{str(k): v for k, v in options.items()})(train_one)
        shared = [
            ray.put(part)
            for part in (
                self.hydra_context,
                self.config,
                self.task_function,
                Singleton.get_state(),
            )
        ]
        results = [
            task.remote(*shared, list(words), number)
            for number, words in enumerate(job_overrides, initial_job_idx)
        ]
        try:
            _wait(results)
            return [_returned(result) for result in results]
        except BaseException:
            for result in results:
                ray.cancel(result)
            ray.wait(results, num_returns=len(results), timeout=60)
            raise

    @property
    def _address(self) -> str:
        """Return where the cluster is, `local` for one that is started here."""
        return self.ray_cfg.init.address or os.environ.get("RAY_ADDRESS") or "local"

    def _room(self, nodes: Sequence[Mapping[str, float]]) -> int:
        """Return how many runs `nodes` hold, given what each has."""
        asked = {"CPU": self.ray_cfg.remote.num_cpus, "GPU": self.ray_cfg.remote.num_gpus}
        wanted = {kind: share for kind, share in asked.items() if share}
        return sum(
            min((int(node.get(kind, 0) / share) for kind, share in wanted.items()), default=1)
            for node in nodes
        )

    def _require_room(self) -> None:
        """Tell of a cluster where no run can begin: Ray says nothing, and waits.

        Nodes may join a cluster that was there before; one of this machine stays as it is.
        """
        nodes = _nodes()
        if self._room(nodes):
            return
        remote = self.ray_cfg.remote
        largest = {kind: max(int(n.get(kind, 0)) for n in nodes) for kind in ("CPU", "GPU")}
        said = (
            f"hydra/launcher=ray: a run takes hydra.launcher.ray.remote.num_cpus={remote.num_cpus} "
            f"and num_gpus={remote.num_gpus}, but no node has more than {largest['CPU']} and "
            f"{largest['GPU']}"
        )
        if self._address == "local":
            raise ConfigError(said)
        print(f"{said}: the sweep waits for one that joins", file=sys.stderr, flush=True)

    def _start(self) -> None:
        """Connect to the cluster, or start one here."""
        import ray

        if ray.is_initialized():
            return
        settings = OmegaConf.to_container(self.ray_cfg.init, resolve=True)
        assert isinstance(settings, dict)
        settings["address"] = self._address
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        _require_cluster(self._address)
        handler = signal.getsignal(signal.SIGTERM)
        try:
            ray.init(**{str(k): v for k, v in settings.items()})
        except (ConnectionError, ValueError, RuntimeError) as error:
            raise _unusable(self._address, error) from error
        finally:
            signal.signal(signal.SIGTERM, handler)  # Ray's would end the sweep without tidying up


def _nodes() -> list[dict[str, float]]:
    """Return what each living node of the cluster has."""
    import ray

    return [node["Resources"] for node in ray.nodes() if node["Alive"]]


def train_one(
    context: HydraContext,
    config: DictConfig,
    task_function: TaskFunction,
    singletons: dict[Any, Any],
    words: list[str],
    number: int,
) -> JobReturn:
    """Train one run in a worker of Ray's."""
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
            os._exit(stop.status)  # the node shuts down: a worker that is lost is begun again
        raise KeyboardInterrupt from stop  # as Ray knows a task that was cancelled


def _require_cluster(address: str) -> None:
    """Refuse an address host:port where nobody listens: Ray would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not (host and port.isdigit()):
        return
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, OverflowError) as error:
        raise _unusable(address, error) from error


def _unusable(where: str, error: Exception) -> ConfigError:
    said = " ".join(str(error).split())
    return ConfigError(
        f"hydra/launcher=ray can't use {where} (hydra.launcher.ray.init.address or RAY_ADDRESS): "
        f"{said}"
    )


def _wait(results: list[Any]) -> None:
    """Wait until all tasks have ended.

    A signal is held back while Ray has the floor: what our handler raised there would come out as
    an error of Ray's.
    """
    import ray

    left = results
    while left:
        with STOP.held():
            _, left = ray.wait(left, num_returns=len(left), timeout=0.5)


def _returned(result: Any) -> JobReturn:
    import ray

    try:
        return ray.get(result)
    except ray.exceptions.RayError as error:
        said = " ".join(str(error).split())
        return died(f"Ray's task failed: {type(error).__name__}: {said[:300]}")
