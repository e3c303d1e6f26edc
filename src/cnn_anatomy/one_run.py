"""One run: built, trained and tested as one MLflow run, whatever stops it on the way."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from filelock import FileLock
from hydra.utils import instantiate
from mlflow import MlflowClient
from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.data import ImageData
from cnn_anatomy.paths import cache, tracking_uri
from cnn_anatomy.tracking.keys import run_key
from cnn_anatomy.tracking.run import tracked
from cnn_anatomy.tracking.stop import STOP
from cnn_anatomy.tracking.store import insist, prepare, require_server
from cnn_anatomy.training import build, fit, parameters
from cnn_anatomy.transfer import transfer


def run(config: DictConfig, choices: Mapping[str, str], *, progress: bool = True) -> float:
    """Train what `config` describes as one MLflow run; return its test accuracy.

    `choices` names the option chosen for every axis. A run of a sweep that another sweep finished
    meanwhile is not trained again; one that was interrupted goes on where it was.

    Raises:
        ConfigError: if the configuration makes no sense.
        FloatingPointError: if the loss is not finite.
        Stopped: on Ctrl-C or SIGTERM.
    """
    _quieten()
    OmegaConf.resolve(config)
    uri = tracking_uri(config.tracking.uri)
    key = run_key(config)
    if config.tracking.parent is None:
        require_server(uri)
    with STOP:
        data: ImageData = instantiate(config.data, _convert_="all")
        classifier, numbers = build(config, data)
        transfer(config, classifier.network, data, choices)
        experiment = insist(uri, lambda: prepare(uri, config.study))
        with _alone(config, key):
            client = MlflowClient(uri)
            done = insist(
                uri, lambda: _done_meanwhile(client, experiment, config.tracking.parent, key)
            )
            if done is not None:
                return done
            with tracked(
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
            ) as logger:
                metrics, _ = fit(config, classifier, data, logger, progress=progress)
    return metrics["test/accuracy"]


@contextmanager
def _alone(config: DictConfig, key: str) -> Iterator[None]:
    """Wait until no other process trains the run of `key`."""
    path = cache(config.paths.cache) / "checkpoints" / f"{key}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


def _done_meanwhile(
    client: MlflowClient, experiment: str, parent: str | None, key: str
) -> float | None:
    """Return the test accuracy of `key` if it was finished after the sweep `parent` began."""
    if parent is None:
        return None
    began = client.get_run(parent).info.start_time
    query = f"tags.key = '{key}' and tags.kind = 'run' and attributes.status = 'FINISHED'"
    for run in client.search_runs([experiment], query):
        if run.info.end_time >= began:
            return run.data.metrics["test/accuracy"]
    return None


def _quieten() -> None:
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", module="torch.optim.*")
