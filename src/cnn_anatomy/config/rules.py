"""What keys mean together: rules that no key breaks alone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from cnn_anatomy.config import constraints
from cnn_anatomy.config.class_folders import check_images
from cnn_anatomy.config.signatures import signature
from cnn_anatomy.core.errors import ConfigError

Config = dict[str, Any]


def broken(config: Config) -> Iterator[str]:
    """Yield the sentence of every rule that a resolved configuration breaks."""
    family = FAMILIES.get(config["model"].get("_target_"), _any)
    source = SOURCES.get(config["data"]["source"].get("_target_"), _any)
    transfer = TRANSFERS.get(config["transfer"].get("_target_"), _any)
    for rule in (family, source, transfer, _classes, _momentum, _batch, _shares, _callbacks):
        try:
            rule(config)
        except ConfigError as error:
            yield str(error)


def _any(config: Config) -> None:
    """Have no rule: what is not known here is checked when it is built."""


def _resnet(config: Config) -> None:
    _blocks(config)
    made = signature(config["block"]["_target_"])
    convolutions = made.attributes.get("convolutions", 2) if made else 2
    assert isinstance(convolutions, int)
    blocks = constraints.blocks_per_stage(config["model"]["depth"], convolutions)
    _parts(config, stages=3)
    if config["skip"]["_target_"] in UNWEIGHTED and "layers" in config["freeze"]:
        hidden = bool(config["head"].get("hidden"))
        last = 1 + 3 * blocks * convolutions + hidden
        what = "weight layers before its classifier"
        constraints.check_range("freeze.layers", config["freeze"]["layers"], last, what)


def _imagenet_resnet(config: Config) -> None:
    _blocks(config)
    blocks = config["model"]["blocks"]
    if not blocks:
        raise ConfigError("model.blocks=[] is empty: a network needs a stage")
    _parts(config, stages=len(blocks))


def _vgg(config: Config) -> None:
    _blocks(config)
    stages = config["model"]["stages"]
    if not stages or not all(stages):
        raise ConfigError(f"model.stages={stages} has an empty list: each stage needs a width")
    _parts(config, stages=len(stages))


def _series(config: Config) -> None:
    _blocks(config)
    _parts(config, stages=_listed(config))


def _all_cnn(config: Config) -> None:
    _blocks(config)
    _parts(config, stages=3)


def _googlenet(config: Config) -> None:
    _modules(config)
    stages = _listed(config)
    listed = sum(len(stage["widths"]) for stage in config["model"]["stages"])
    constraints.require_listed(config["inception"]["depth"], listed)
    _parts(config, stages=stages)


def _listed(config: Config) -> int:
    """Return how many stages a model lists, each a `networks.Stage` with widths."""
    stages = config["model"]["stages"]
    if not stages or not all(isinstance(s, dict) and s.get("widths") for s in stages):
        raise ConfigError(
            "model.stages must list one or more stages, each with _target_, widths and halve"
        )
    return len(stages)


def _modules(config: Config) -> None:
    if config["block"]["_target_"] != "cnn_anatomy.networks.families.no_block":
        constraints.refuse_block(config["block"]["_target_"].rpartition(".")[2])
    for branch in ("small", "large"):
        constraints.require_odd(f"inception.{branch}", config["inception"].get(branch, 1))


def _inception(config: Config) -> None:
    _modules(config)
    constraints.require_modules(config["inception"]["depth"])
    if config["model"]["width"] < 8:
        raise ConfigError(
            f"model.width={config['model']['width']} is below 8, an eighth of which is the least "
            "branch of an Inception module"
        )
    _parts(config, stages=3)


def _blocks(config: Config) -> None:
    constraints.refuse_modules(config["inception"]["depth"])
    if config["block"]["_target_"] == "cnn_anatomy.networks.families.no_block":
        constraints.refuse_no_block()


def _parts(config: Config, stages: int) -> None:
    if config["aux"]["_target_"] == "cnn_anatomy.networks.auxiliary.Own":
        constraints.refuse_own_heads()
    constraints.check_stages(config["aux"]["stages"], stages)
    if "stages" in config["freeze"]:
        constraints.check_range("freeze.stages", config["freeze"]["stages"], stages, "stages")


def _canvas(config: Config) -> None:
    sides = ("patch", "smallest", "largest", "canvas")
    constraints.check_canvas(*(config["data"]["source"][side] for side in sides))


def _folder(config: Config) -> None:
    source = config["data"]["source"]
    check_images(source["root"], source["size"], source["cache"])


def _classes(config: Config) -> None:
    classes = config["data"].get("classes")
    if classes is not None and len(set(classes)) < max(2, len(classes)):
        raise ConfigError(f"data.classes={classes} must name two or more labels, each once")


def _scratch(config: Config) -> None:
    layers = config["transfer"].get("layers")
    if layers is not None:
        raise ConfigError(
            f"transfer.layers={layers} has no meaning without a source: choose transfer=classes, "
            "same, checkpoint or run, or leave it out"
        )


def _checkpoint(config: Config) -> None:
    source = config["transfer"]["source"]
    if not Path(source).is_file():
        raise ConfigError(f"transfer.source={source} is no file: name one that holds a state dict")


def _tracked_run(config: Config) -> None:
    source = config["transfer"]["source"]
    if not re.fullmatch(r"runs:/\w+", source):
        raise ConfigError(
            f"transfer.source={source} is no run: give its id in MLflow, transfer.source=runs:/<id>"
        )


def _momentum(config: Config) -> None:
    optimizer = config["optimizer"]
    if optimizer.get("nesterov") and not optimizer.get("momentum"):
        raise ConfigError(
            "optimizer.momentum=0 does not go with optimizer.nesterov=true: raise it, or set "
            "nesterov=false"
        )


def _batch(config: Config) -> None:
    if config["norm"]["_target_"].endswith(".Batch") and config["data"]["batch_size"] == 1:
        raise ConfigError(
            "data.batch_size=1 does not go with norm=batch, which needs two images for a "
            "variance: choose 2 or more, or norm=group"
        )


def _shares(config: Config) -> None:
    trainer = config["trainer"]
    if isinstance(trainer["devices"], int):
        count = trainer["devices"] * trainer.get("num_nodes", 1)
        constraints.check_shares(config["data"]["batch_size"], count)
        if count > 1 and config["freeze"]["_target_"] in THAWING:
            raise ConfigError(
                f"trainer.devices={trainer['devices']} can't go with freeze=gradual: what is "
                "frozen when several begin is not shared by them later; take trainer.devices=1"
            )


def _callbacks(config: Config) -> None:
    for group in ("callbacks", "probes"):
        for name, value in config[group].items():
            if not isinstance(value, dict) or "_target_" not in value:
                shown = "null" if value is None else value
                raise ConfigError(
                    f"{group}.{name}={shown} is no callback: give it a _target_, or leave it out "
                    f"with ~{group}.{name}"
                )


UNWEIGHTED = {f"cnn_anatomy.networks.skip.{s}" for s in ("Plain", "Identity", "Scaled", "Dense")}
THAWING = {"cnn_anatomy.networks.freezing.Gradual"}
Rule = Callable[[Config], None]
FAMILIES: dict[str, Rule] = {
    "cnn_anatomy.networks.families.resnet": _resnet,
    "cnn_anatomy.networks.families.imagenet_resnet": _imagenet_resnet,
    "cnn_anatomy.networks.families.vgg": _vgg,
    "cnn_anatomy.networks.families.series": _series,
    "cnn_anatomy.networks.families.all_cnn": _all_cnn,
    "cnn_anatomy.networks.families.googlenet": _googlenet,
    "cnn_anatomy.networks.families.inception_network": _inception,
}
SOURCES: dict[str, Rule] = {
    "cnn_anatomy.data.cluttered_digits.ClutteredDigits": _canvas,
    "cnn_anatomy.data.image_folder.ImageFolder": _folder,
}
TRANSFERS: dict[str, Rule] = {
    "cnn_anatomy.training.transfer.RandomWeights": _scratch,
    "cnn_anatomy.training.transfer.Checkpoint": _checkpoint,
    "cnn_anatomy.training.transfer.TrackedRun": _tracked_run,
}
