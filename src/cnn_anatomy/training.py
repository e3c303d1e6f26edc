"""One run: build what the configuration names, train it, test the best weights, log all of it."""

from __future__ import annotations

import logging
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from filelock import FileLock
from hydra.utils import instantiate
from lightning.pytorch.callbacks import ModelCheckpoint, TQDMProgressBar
from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.classifier import Classifier
from cnn_anatomy.data import ImageData
from cnn_anatomy.errors import ConfigError
from cnn_anatomy.networks import Network
from cnn_anatomy.networks.freezing import freeze, leading
from cnn_anatomy.networks.network import weight_layers
from cnn_anatomy.paths import REPOSITORY, tracking_uri
from cnn_anatomy.tracking.keys import run_key
from cnn_anatomy.tracking.run import RunLogger, log_dataset, tracked
from cnn_anatomy.tracking.store import prepare
from cnn_anatomy.trial import require_trainable

AXES = (
    *("model", "data", "block", "pooling", "skip", "inception", "aux", "freeze", "head", "norm"),
    *("activation", "init", "transfer", "optimizer", "scheduler"),
)
# The head's classifier and the side heads belong to the task, all else transfers.
TASK = ("head.classifier.", "auxiliary.")


def run(config: DictConfig, choices: Mapping[str, str], *, progress: bool = True) -> float:
    """Train what `config` describes as one MLflow run; return its test accuracy.

    `choices` names the option chosen for every axis.

    Raises:
        ConfigError: if the configuration makes no sense.
        FloatingPointError: if the loss is not finite.
    """
    _quieten()
    OmegaConf.resolve(config)
    uri = tracking_uri(config.tracking.uri)
    data: ImageData = instantiate(config.data, _convert_="all")
    classifier, numbers = build(config, data)
    source = source_config(config)
    if source is not None:
        weights = torch.load(pretrained(source, choices), weights_only=True)
        network = classifier.network
        copied = None
        if config.transfer.layers is not None:
            image = torch.zeros(1, *data.shape)
            copied = leading(network, image, config.transfer.layers, key="transfer.layers")
        adopt(network, weights, copied)
    experiment = prepare(uri, config.study)
    tags = {
        "study": config.study,
        "variant": config.variant,
        "key": run_key(config),
        "kind": "run",
    }
    name = f"{config.variant} s{config.seed}"
    params = {**parameters(config, choices), **numbers}
    with tracked(
        uri, experiment, name=name, tags=tags, params=params, parent=config.tracking.parent
    ) as logger:
        metrics, _ = fit(config, classifier, data, logger, progress=progress)
    return metrics["test/accuracy"]


def build(config: DictConfig, data: ImageData) -> tuple[Classifier, dict[str, Any]]:
    """Return the classifier, and what was counted in building it (`freeze.layers`)."""
    torch.set_num_threads(config.threads)
    # Filling every new tensor, too, is for finding reads of what was never written: none here.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    splits = data.load()
    channels, height, width = data.shape
    pl.seed_everything(config.seed, verbose=False)
    network: Network = instantiate(
        config.model,
        channels=channels,
        size=(height, width),
        classes=len(splits.classes),
        _convert_="all",
    )
    image = torch.zeros(1, channels, height, width)
    frozen = instantiate(config.freeze)(network, image)
    freeze(frozen)
    held = [m for _, m in weight_layers(network, image) if not m.weight.requires_grad]
    classifier = Classifier(
        network.to(memory_format=torch.channels_last),
        auxiliary=instantiate(config.aux, _convert_="all"),
        classes=len(splits.classes),
        optimizer=instantiate(config.optimizer),
        scheduler=instantiate(config.scheduler),
        frozen=frozen,
    )
    steps = len(data.batches(splits.train, train=True)) * config.trainer.max_epochs
    require_trainable(classifier.optimizer, classifier.scheduler, dict(config.trainer), steps)
    return classifier, {"freeze.layers": len(held)}


def fit(
    config: DictConfig,
    classifier: Classifier,
    data: ImageData,
    logger: RunLogger,
    *,
    progress: bool = False,
) -> tuple[dict[str, float], dict[str, torch.Tensor]]:
    """Train, select on validation, test once; return the metrics and the selected weights."""
    splits = data.load()
    digests = {
        "training": splits.train.digest(),
        "validation": splits.val.digest(),
        "test": splits.test.digest(),
    }
    log_dataset(logger, type(data.source).__name__, digests)
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.yaml").write_text(OmegaConf.to_yaml(config))
        logger.log_folder(folder)
        best = ModelCheckpoint(
            folder, "best", monitor="val/accuracy", mode="max", save_weights_only=True
        )
        bar = [TQDMProgressBar()] if progress else []
        trainer = pl.Trainer(
            **config.trainer,
            logger=logger,
            callbacks=[*instantiate(config.probes).values(), best, *bar],
            enable_progress_bar=progress,
            enable_model_summary=False,
            log_every_n_steps=10**9,
            num_sanity_val_steps=0,
        )
        # Seeds are paired: what comes after the weights does not depend on how many there are.
        pl.seed_everything(config.seed, verbose=False)
        trainer.fit(classifier, datamodule=data)
        _require_end(trainer)
        state = torch.load(best.best_model_path, weights_only=True)["state_dict"]
        classifier.load_state_dict(state)
        tested = trainer.test(classifier, datamodule=data, verbose=False)
        _require_end(trainer)
    metrics = {k: float(v) for result in tested for k, v in result.items()}
    return metrics, {
        k.removeprefix("network."): v for k, v in state.items() if k.startswith("network.")
    }


def source_config(config: DictConfig) -> DictConfig | None:
    """Return the configuration that trains the source network of a transfer, or None."""
    changes = config.transfer.source
    if changes is None:
        return None
    plain = OmegaConf.create(OmegaConf.to_container(config, resolve=True))
    plain.transfer = {"source": None, "layers": None}
    plain.freeze = {"_target_": "cnn_anatomy.networks.freezing.Nothing"}
    merged = OmegaConf.merge(plain, changes)
    merged.data.seed = merged.seed
    merged.variant = "source network"
    assert isinstance(merged, DictConfig)
    return merged


def pretrained(config: DictConfig, choices: Mapping[str, str]) -> Path:
    """Return the weights that `config` trains, trained now if they never were.

    The file is named by the run's key; a second process that needs it waits for the first.
    """
    path = REPOSITORY / config.paths.cache / "sources" / f"{run_key(config)}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{path}.lock"):
        if path.exists():
            return path
        data: ImageData = instantiate(config.data, _convert_="all")
        classifier, numbers = build(config, data)
        uri = tracking_uri(config.tracking.uri)
        with tracked(
            uri,
            prepare(uri, config.study),
            name="source network",
            tags={"study": config.study, "key": run_key(config), "kind": "source"},
            params={**parameters(config, {**choices, "transfer": "none"}), **numbers},
            parent=config.tracking.parent,
        ) as logger:
            _, weights = fit(config, classifier, data, logger)
        part = path.with_suffix(".part")
        torch.save(weights, part)
        part.replace(path)
    return path


def adopt(
    network: Network,
    weights: Mapping[str, torch.Tensor],
    modules: Sequence[torch.nn.Module] | None = None,
) -> None:
    """Copy a source network's weights and statistics, all but those of its task's classifiers.

    `modules` are the only leaves that get them, if not None.

    Raises:
        ConfigError: if a weight is missing, left over or of another shape.
    """
    own = network.state_dict()
    wanted = {k for k in own if not k.startswith(TASK)}
    offered = {k: v for k, v in weights.items() if not k.startswith(TASK)}
    odd = sorted(wanted ^ offered.keys())
    odd += [k for k in sorted(wanted & offered.keys()) if own[k].shape != offered[k].shape]
    if odd:
        raise ConfigError(f"transfer.source does not fit this network: {odd[0]} differs")
    if modules is not None:
        names = {name for name, module in network.named_modules() if module in modules}
        offered = {k: v for k, v in offered.items() if k.rpartition(".")[0] in names}
    network.load_state_dict({**own, **offered})


def parameters(config: DictConfig, choices: Mapping[str, str]) -> dict[str, Any]:
    """Return what MLflow shows of a configuration: each axis by name, the numbers behind it."""
    shown: dict[str, Any] = {axis: choices.get(axis, "custom") for axis in AXES}
    for group in (*AXES, "trainer"):
        values = OmegaConf.to_container(config[group], resolve=True)
        assert isinstance(values, dict)
        for key, value in values.items():
            if isinstance(value, int | float | str) and not str(key).startswith("_"):
                shown[f"{group}.{key!s}"] = value
    return {**shown, "seed": config.seed}


def _require_end(trainer: pl.Trainer) -> None:
    if trainer.interrupted:
        raise KeyboardInterrupt
    loss = trainer.callback_metrics.get("train/loss")
    if loss is not None and not torch.isfinite(loss):
        raise FloatingPointError(f"train/loss is {loss.item()}: the run diverged")


def _quieten() -> None:
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", module="torch.optim.*")
