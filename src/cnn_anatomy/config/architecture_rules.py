"""Rules about the combination of a network's axes, by the function that builds the network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cnn_anatomy.config import constraints
from cnn_anatomy.config.signatures import signature

Settings = Mapping[str, Any]
Rule = Callable[[Settings], None]

NO_BLOCK = "cnn_anatomy.networks.families.no_block"
OWN_HEADS = "cnn_anatomy.networks.auxiliary.Own"
FULL = "cnn_anatomy.networks.convolutions.full"
NO_SKIP = "cnn_anatomy.networks.skip.Plain"
WHOLE_BRANCH = "cnn_anatomy.networks.branch_scaling.Unscaled"
# Skips without weight layers: the depth of a ResNet with one of them tells its weight layers.
WEIGHTLESS_SKIPS = {
    f"cnn_anatomy.networks.skip.{name}" for name in ("Plain", "Identity", "Scaled", "Dense")
}
# The options that add no weight layers to a block.
LAYERLESS = {
    "conv": {
        f"cnn_anatomy.networks.convolutions.{name}" for name in ("full", "grouped", "group_width")
    },
    "attention": {
        f"cnn_anatomy.networks.attention.{name}" for name in ("NoAttention", "EfficientAttention")
    },
}


def _architecture(*rules: Rule, stages: Callable[[Settings], int]) -> Rule:
    """Return the rule for a family of networks: `rules`, then what depends on its `stages`."""

    def rule(settings: Settings) -> None:
        for one in (*rules, _scaled_branches, _replaced_convolutions):
            one(settings)
        count = stages(settings)
        if settings["aux"]["_target_"] == OWN_HEADS:
            constraints.refuse_own_heads()
        constraints.check_stages(settings["aux"]["stages"], count)
        if "stages" in settings["freeze"]:
            constraints.check_range("freeze.stages", settings["freeze"]["stages"], count, "stages")

    return rule


def _three(settings: Settings) -> int:
    return 3


def _listed(key: str) -> Callable[[Settings], int]:
    """Return a function that counts the stages that a model lists under `key`."""
    return lambda settings: len(settings["model"][key])


def _takes_blocks(settings: Settings) -> None:
    constraints.refuse_modules(settings["inception"]["depth"])
    if settings["block"]["_target_"] == NO_BLOCK:
        constraints.refuse_no_block()


def _takes_modules(settings: Settings) -> None:
    if settings["block"]["_target_"] != NO_BLOCK:
        constraints.refuse_block(_last_name(settings["block"]))
    for branch in ("small", "large"):
        constraints.require_odd(f"inception.{branch}", settings["inception"].get(branch, 1))


def _has_modules(settings: Settings) -> None:
    constraints.require_modules(settings["inception"]["depth"])


def _lists_modules(settings: Settings) -> None:
    listed = sum(len(stage["widths"]) for stage in settings["model"]["stages"])
    constraints.require_listed(settings["inception"]["depth"], listed)


def _convolutions(settings: Settings) -> int:
    """Return how many convolutions a block holds."""
    block = signature(settings["block"]["_target_"])
    convolutions = block.attributes.get("convolutions", 2) if block else 2
    assert isinstance(convolutions, int)
    return convolutions


def _takes_either(settings: Settings) -> None:
    modules = settings["block"]["_target_"] == NO_BLOCK and settings["inception"]["depth"]
    (_lists_modules if modules else _takes_blocks)(settings)


def _resnet_layers(settings: Settings) -> None:
    convolutions = _convolutions(settings)
    blocks = constraints.blocks_per_stage(settings["model"]["depth"], convolutions)
    weightless = (
        settings["skip"]["_target_"] in WEIGHTLESS_SKIPS
        and settings["block"].get("attention") is None
        and all(settings[axis]["_target_"] in targets for axis, targets in LAYERLESS.items())
    )
    if weightless and "layers" in settings["freeze"]:
        hidden = bool(settings["head"].get("hidden") or settings["head"].get("width"))
        last = 1 + 3 * blocks * convolutions + hidden
        what = "weight layers before its classifier"
        constraints.check_range("freeze.layers", settings["freeze"]["layers"], last, what)


def _scaled_branches(settings: Settings) -> None:
    unscaled = settings["residual"]["_target_"] == WHOLE_BRANCH
    if settings["skip"]["_target_"] == NO_SKIP and not unscaled:
        constraints.refuse_residual(_last_name(settings["residual"]))


def _wide_layers(settings: Settings) -> None:
    constraints.blocks_per_stage(settings["model"]["depth"], _convolutions(settings), outside=4)


def _replaced_convolutions(settings: Settings) -> None:
    block = signature(settings["block"]["_target_"])
    only_depthwise = block is not None and block.attributes.get("depthwise", False)
    by_stage = any(stage.get("block") for stage in _stage_settings(settings))
    if only_depthwise and not by_stage and settings["conv"]["_target_"] != FULL:
        constraints.refuse_convolution(_last_name(settings["conv"]))


def _stage_settings(settings: Settings) -> list[Settings]:
    stages = settings["model"].get("stages", ())
    return [stage for stage in stages if isinstance(stage, Mapping)]


def _last_name(part: Settings) -> str:
    return str(part["_target_"]).rpartition(".")[2]


# The rule of a family of networks, by its `_target_`.
ARCHITECTURE_RULES: dict[str, Rule] = {
    "cnn_anatomy.networks.families.resnet": _architecture(
        _takes_blocks, _resnet_layers, stages=_three
    ),
    "cnn_anatomy.networks.families.wide_resnet": _architecture(
        _takes_blocks, _wide_layers, stages=_three
    ),
    "cnn_anatomy.networks.families.imagenet_resnet": _architecture(
        _takes_blocks, stages=_listed("blocks")
    ),
    "cnn_anatomy.networks.families.vgg": _architecture(_takes_blocks, stages=_listed("stages")),
    "cnn_anatomy.networks.families.series": _architecture(_takes_either, stages=_listed("stages")),
    "cnn_anatomy.networks.families.all_cnn": _architecture(_takes_blocks, stages=_three),
    "cnn_anatomy.networks.families.inception_network": _architecture(
        _takes_modules, _has_modules, stages=_three
    ),
    "cnn_anatomy.networks.families.googlenet": _architecture(
        _takes_modules, _lists_modules, stages=_listed("stages")
    ),
}
