"""Rules about combinations of keys.

What the networks and the data sets refuse themselves is decided in `constraints`. The rules apply
it to a configuration before PyTorch is imported, and refuse with the same sentence.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from cnn_anatomy.config import constraints
from cnn_anatomy.config.architecture_rules import (
    ARCHITECTURE_RULES,
    OWN_HEADS,
    Rule,
    Settings,
)
from cnn_anatomy.config.class_folders import check_images
from cnn_anatomy.config.duration import check_end
from cnn_anatomy.config.reach import refuse_unreached
from cnn_anatomy.config.saved_config import UNEVALUATED, require_same_network, saved_config
from cnn_anatomy.config.signatures import signature
from cnn_anatomy.config.source_network import NO_TRANSFER
from cnn_anatomy.core.errors import ConfigError, did_you_mean

BATCH_NORM = "cnn_anatomy.networks.norm.Batch"
THAWING = "cnn_anatomy.networks.freezing.Gradual"


def broken_rules(settings: Settings) -> Iterator[str]:
    """Yield the sentence of every rule that a resolved configuration breaks."""
    targets = (settings["model"], settings["data"]["source"], settings["transfer"])
    special = (TARGET_RULES.get(part.get("_target_")) for part in targets)
    for rule in (*filter(None, special), *GENERAL_RULES):
        try:
            rule(settings)
        except ConfigError as error:
            yield str(error)


def _backbone(settings: Settings) -> None:
    if settings["aux"]["_target_"] == OWN_HEADS:
        constraints.require_backbone_heads(settings["model"]["name"])


def _timm_network(settings: Settings) -> None:
    if find_spec("timm") is None:
        raise ConfigError(
            "model=timm needs timm, which is not installed: pip install 'cnn-anatomy[timm]'"
        )
    if settings["aux"]["_target_"] == OWN_HEADS:
        constraints.refuse_own_heads()


def _own_network(settings: Settings) -> None:
    """Check the keywords of a user's network, as far as its source shows them."""
    target, args = settings["model"]["target"], settings["model"]["args"]
    called = signature(target)
    if called is None or called.further:
        return
    for key in args:
        if key not in called.parameters:
            names = ", ".join(called.parameters) or "nothing"
            hint = did_you_mean(key, called.parameters)
            raise ConfigError(f"model.args.{key} is no key: {target} takes {names}{hint}")
    passed = {name for names in constraints.IMAGE_ARGUMENTS.values() for name in names}
    for key in called.parameters:
        if key not in {*called.optional, *passed, *args}:
            raise ConfigError(
                f"model.args.{key} is missing: {target} needs a value (what it is to know of the "
                f"images is passed as {', '.join(sorted(passed))})"
            )


def _canvas(settings: Settings) -> None:
    sides = ("patch", "smallest", "largest", "canvas")
    constraints.check_canvas(*(settings["data"]["source"][side] for side in sides))


def _class_folders(settings: Settings) -> None:
    source = settings["data"]["source"]
    check_images(source["root"], source["size"], source["cache"])


def _no_source(settings: Settings) -> None:
    layers = settings["transfer"].get("layers")
    if layers is not None:
        raise ConfigError(
            f"transfer.layers={layers} has no meaning without a source: choose transfer=classes, "
            "same, checkpoint or run, or leave it out"
        )


def _checkpoint_file(settings: Settings) -> None:
    source = settings["transfer"]["source"]
    if not Path(source).is_file():
        raise ConfigError(f"transfer.source={source} is no file: name one that holds a state dict")
    saved = saved_config(Path(source).parent)
    if saved is not None:
        require_same_network(saved, settings, f"transfer.source={source}")


def _run_id(settings: Settings) -> None:
    source = settings["transfer"]["source"]
    if not re.fullmatch(r"runs:/\w+", source):
        raise ConfigError(
            f"transfer.source={source} is no run: give its id in MLflow, transfer.source=runs:/<id>"
        )


def _classes(settings: Settings) -> None:
    classes = settings["data"].get("classes")
    if classes is not None and len(set(classes)) < max(2, len(classes)):
        raise ConfigError(f"data.classes={classes} must name two or more labels, each once")


def _evaluated(settings: Settings) -> None:
    source = settings.get("evaluate")
    if source is None:
        return
    if not Path(source).is_file() and not re.fullmatch(r"runs:/\w+", source):
        raise ConfigError(
            f"evaluate={source} is neither a file nor a run: give a state dict, or runs:/<id>"
        )
    if settings["transfer"]["_target_"] != NO_TRANSFER["_target_"]:
        raise ConfigError(
            f"evaluate={source} does not go with a transfer, which is for training: leave transfer "
            "out"
        )
    saved = saved_config(Path(source).parent) if Path(source).is_file() else None
    if saved is not None:
        require_same_network(saved, settings, f"evaluate={source}", UNEVALUATED)


def _momentum(settings: Settings) -> None:
    optimizer = settings["optimizer"]
    if optimizer.get("nesterov") and not optimizer.get("momentum"):
        raise ConfigError(
            "optimizer.momentum=0 does not go with optimizer.nesterov=true: raise it, or set "
            "nesterov=false"
        )


def _batch_statistics(settings: Settings) -> None:
    if settings["norm"]["_target_"] == BATCH_NORM and settings["data"]["batch_size"] == 1:
        raise ConfigError(
            "data.batch_size=1 does not go with norm=batch, which needs two images for a "
            "variance: choose 2 or more, or norm=group"
        )


def _several_devices(settings: Settings) -> None:
    trainer = settings["trainer"]
    if not isinstance(trainer["devices"], int):  # Lightning counts them
        return
    count = trainer["devices"] * trainer.get("num_nodes", 1)
    constraints.check_shares(settings["data"]["batch_size"], count)
    if count > 1 and settings["freeze"]["_target_"] == THAWING:
        raise ConfigError(
            f"trainer.devices={trainer['devices']} does not go with freeze=gradual: devices never "
            "share the gradients of what was frozen at first; choose trainer.devices=1"
        )


def _surgery(settings: Settings) -> None:
    """Check that new parts do without a change of the modules beside them."""
    pooling, norm = (settings["surgery"].get(axis) for axis in ("pooling", "norm"))
    if pooling is not None:
        known = _attributes(pooling)
        uses = known.get("conv_stride", 1) != 1 or bool(known.get("needs_conv"))
        constraints.check_pooling_alone(_class_name(pooling), uses)
    if norm is not None:
        biased = norm.get("bias_before", _attributes(norm).get("bias_before"))
        constraints.check_norm_alone(_class_name(norm), bool(biased))


def _attributes(part: Settings) -> Settings:
    """Return the constants that the class of a part sets, as far as its source shows them."""
    called = signature(part["_target_"])
    return called.attributes if called else {}


def _class_name(part: Settings) -> str:
    return str(part["_target_"]).rpartition(".")[2]


def _callbacks(settings: Settings) -> None:
    for group in ("callbacks", "probes"):
        for name, value in settings[group].items():
            if not isinstance(value, dict) or "_target_" not in value:
                shown = "null" if value is None else value
                raise ConfigError(
                    f"{group}.{name}={shown} is no callback: give it a _target_, or leave it out "
                    f"with ~{group}.{name}"
                )


def _training_ends(settings: Settings) -> None:
    check_end(settings["trainer"])


GENERAL_RULES: tuple[Rule, ...] = (
    refuse_unreached,
    _surgery,
    _evaluated,
    _classes,
    _momentum,
    _batch_statistics,
    _several_devices,
    _callbacks,
    _training_ends,
)
# The rule of a model, a data source or a transfer, by its `_target_`.
TARGET_RULES: dict[str, Rule] = {
    **ARCHITECTURE_RULES,
    "cnn_anatomy.networks.backbones.backbone": _backbone,
    "cnn_anatomy.networks.own.own": _own_network,
    "cnn_anatomy.networks.timm_networks.timm_network": _timm_network,
    "cnn_anatomy.data.cluttered_digits.ClutteredDigits": _canvas,
    "cnn_anatomy.data.image_folder.ImageFolder": _class_folders,
    "cnn_anatomy.training.transfer.RandomWeights": _no_source,
    "cnn_anatomy.training.transfer.Checkpoint": _checkpoint_file,
    "cnn_anatomy.training.transfer.TrackedRun": _run_id,
}
