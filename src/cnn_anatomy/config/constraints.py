"""Arithmetic of the networks' sizes, told without importing PyTorch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NoReturn

from cnn_anatomy.core.errors import ConfigError


def blocks_per_stage(depth: int, convolutions: int = 2) -> int:
    """Return n of a depth 3 · `convolutions` · n + 2, as a CIFAR ResNet's is (He et al. 2015, 4.2).

    `convolutions` is how many a block holds: 2 gives depths 6n + 2, a bottleneck's 3 gives 9n + 2.

    Raises:
        ConfigError: if the depth is not of that form.
    """
    step = 3 * convolutions
    blocks, rest = divmod(depth - 2, step)
    if rest or blocks < 1:
        near = max(round((depth - 2) / step), 1)
        raise ConfigError(
            f"model.depth={depth} is not {step}n + 2: the nearest that is one is "
            f"{near * step + 2} (of {step + 2}, {2 * step + 2}, {3 * step + 2}, …)"
        )
    return blocks


def require_modules(depth: int) -> None:
    """Raise a ConfigError where a network of Inception modules has none."""
    if depth < 1:
        raise ConfigError(f"inception.depth={depth} is below 1, the least number of modules")


def require_odd(key: str, kernel: int) -> None:
    """Raise a ConfigError where a kernel has no middle, so that its map is not its input's size."""
    if kernel % 2 == 0:
        raise ConfigError(f"{key}={kernel} is even: a kernel must be odd")


def refuse_modules(depth: int) -> None:
    """Raise a ConfigError where a network of other blocks is given Inception modules."""
    if depth:
        raise ConfigError(
            f"inception.depth={depth} has no meaning for a model without Inception "
            "modules: choose model=inception, or inception=none"
        )


def require_listed(depth: int, listed: int) -> None:
    """Raise a ConfigError where a model lists another number of Inception modules."""
    if depth != listed:
        raise ConfigError(
            f"inception.depth={depth} is not the number of modules that model.stages lists: set "
            f"inception.depth={listed}"
        )


def refuse_no_block() -> NoReturn:
    """Raise the ConfigError of a network without a block."""
    raise ConfigError("block=none has no meaning for this model: choose basic, bottleneck, …")


def refuse_block(name: str) -> NoReturn:
    """Raise the ConfigError of a network of Inception modules that is given another block."""
    raise ConfigError(
        f"block={name.lower()} has no meaning for a model whose blocks are Inception modules: "
        "leave block=none"
    )


# torchvision's networks take none of our parts. Each of these is what its axis is left at.
BACKBONE_PARTS = {
    "block": "no_block",
    "pooling": "Unpooled",
    "skip": "Plain",
    "norm": "Batch",
    "activation": "ReLU",
    "head": "GlobalAverage",
    "init": "default",
}
BACKBONES_WITH_HEADS = ("googlenet", "inception_v3")


def refuse_backbone_modules(depth: int) -> None:
    """Raise a ConfigError where a network of torchvision's is given Inception modules."""
    if depth:
        raise ConfigError(
            f"inception.depth={depth} has no meaning for a network of torchvision's: leave "
            "inception=none"
        )


def check_backbone_part(axis: str, name: str, settings: Mapping[str, object]) -> None:
    """Raise a ConfigError where a network of torchvision's is given a part of ours.

    `name` is the part's class or function, `settings` what it would be called with.
    """
    if name != BACKBONE_PARTS[axis] or settings:
        raise ConfigError(
            f"{axis}={name} has no meaning for a network of torchvision's, which brings its own "
            f"parts: leave {axis} as model=torchvision sets it"
        )


def require_backbone_heads(name: str) -> None:
    """Raise a ConfigError where torchvision's network `name` has no auxiliary heads of its own."""
    if name not in BACKBONES_WITH_HEADS:
        refuse_own_heads()


def check_range(key: str, value: int, last: int, what: str) -> None:
    """Raise a ConfigError where `value` is not within 0 to `last`, of which the network has."""
    if not 0 <= value <= last:
        raise ConfigError(f"{key}={value} is out of range: this network has 0 to {last} {what}")


def check_stages(stages: Sequence[int], count: int) -> None:
    """Raise a ConfigError where an auxiliary head has no stage, or a stage two heads."""
    for stage in stages:
        if not 1 <= stage <= count:
            raise ConfigError(f"aux.stages={stage} names no stage: this network has 1 to {count}")
    if len(set(stages)) < len(stages):
        raise ConfigError(f"aux.stages={list(stages)} names a stage twice: each has one head")


def refuse_own_heads() -> NoReturn:
    """Raise the ConfigError of a network that is asked for auxiliary heads it does not bring."""
    raise ConfigError(
        "aux=own has no meaning for this model, which brings no auxiliary heads of its own: "
        "choose none or heads"
    )


def check_canvas(patch: int, smallest: int, largest: int, canvas: int) -> None:
    """Raise a ConfigError where digits or patches of that size do not fit each other."""
    if not patch <= smallest <= largest <= canvas:
        raise ConfigError(
            f"data.source needs patch ≤ smallest ≤ largest ≤ canvas, not {patch}, {smallest}, "
            f"{largest}, {canvas}"
        )


def check_shares(batch: int, devices: int) -> None:
    """Refuse a training batch that several devices can't share equally.

    Raises:
        ConfigError: if they can't.
    """
    if batch % devices:
        raise ConfigError(
            f"data.batch_size={batch} is not a multiple of {devices}, the number of devices that "
            f"share a batch: the nearest that is one is {max(1, round(batch / devices)) * devices}"
        )
