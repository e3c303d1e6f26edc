"""One run: built, trained and tested as one MLflow run, whatever stops it on the way."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext

from filelock import FileLock
from hydra.utils import instantiate
from mlflow import MlflowClient
from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.config.run_key import run_key
from cnn_anatomy.core.interrupts import STOP
from cnn_anatomy.core.paths import cache, tracking_uri
from cnn_anatomy.data import ImageData
from cnn_anatomy.distributed.failures import together
from cnn_anatomy.distributed.process_group import connected, rank, shared
from cnn_anatomy.tracking.run import RunLogger, tracked
from cnn_anatomy.tracking.store import insist, prepare
from cnn_anatomy.training.build import build, parameters
from cnn_anatomy.training.fit import fit
from cnn_anatomy.training.transfer import transfer


def run(config: DictConfig, choices: Mapping[str, str], *, progress: bool = True) -> float:
    """Train what `config` describes as one MLflow run; return its test accuracy.

    `choices` names the option chosen for every axis. A run of a sweep that another sweep finished
    meanwhile is not trained again; one that was interrupted goes on where it was.

    Raises:
        ConfigError: if the configuration makes no sense.
        FloatingPointError: if the loss is not finite.
        Stopped: on Ctrl-C or SIGTERM, or if another of the run's processes ends.
    """
    _quieten()
    OmegaConf.resolve(config)
    uri = tracking_uri(config.tracking.uri)
    key = run_key(config)
    with STOP, connected(), together():
        data: ImageData = instantiate(config.data, _convert_="all")
        if rank() == 0:
            data.load()  # which may download, so that the others find it
        shared(None)
        classifier, numbers = build(config, data)
        transfer(config, classifier.network, data, choices)
        first = rank() == 0
        experiment = insist(uri, lambda: prepare(uri, config.study)) if first else ""
        with _alone(config, key):
            done = _done_meanwhile(uri, experiment, config.tracking.parent, key) if first else None
            done = shared(done)
            if done is not None:
                return done
            opened: AbstractContextManager[RunLogger | None] = nullcontext()
            if first:
                opened = tracked(
                    uri,
                    experiment,
                    name=f"{config.variant} s{config.seed}",
                    tags={
                        "study": config.study,
                        "variant": config.variant,
                        "key": key,
                        "kind": "run",
                    },
                    params={**parameters(config, choices), **numbers},
                    parent=config.tracking.parent,
                    journals=cache(config.paths.cache) / "journal",
                )
            with opened as logger:
                metrics, _ = fit(config, classifier, data, logger, progress=progress)
    return metrics["test/accuracy"]


@contextmanager
def _alone(config: DictConfig, key: str) -> Iterator[None]:
    """Wait until nobody else trains the run of `key`; the first of several processes does."""
    if rank() > 0:
        yield
        return
    path = cache(config.paths.cache) / "checkpoints" / f"{key}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


def _done_meanwhile(uri: str, experiment: str, parent: str | None, key: str) -> float | None:
    """Return the test accuracy of `key` if it was finished after the sweep `parent` began."""
    if parent is None:
        return None
    client = MlflowClient(uri)
    began = insist(uri, lambda: client.get_run(parent)).info.start_time
    query = f"tags.key = '{key}' and tags.kind = 'run' and attributes.status = 'FINISHED'"
    for run in insist(uri, lambda: client.search_runs([experiment], query)):
        if run.info.end_time >= began:
            return run.data.metrics["test/accuracy"]
    return None


def _quieten() -> None:
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", module="torch.optim.*")
