"""What networks, data and training refuse, decided without PyTorch.

The code calls these functions when it builds something, `rules` before anything is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import gcd
from typing import NoReturn

from cnn_anatomy.core.errors import ConfigError


def blocks_per_stage(depth: int, convolutions: int = 2, outside: int = 2) -> int:
    """Return n, the blocks in each of a CIFAR ResNet's three stages (He et al. 2015, section 4.2).

    Its depth is 3 · `convolutions` · n + `outside` with so many convolutions in a block: 6n + 2 for
    2 of them, 9n + 2 for the 3 of a bottleneck. `outside` counts the layers that are in no block,
    or are projections.

    Raises:
        ConfigError: if the depth is not of that form.
    """
    step = 3 * convolutions
    blocks, rest = divmod(depth - outside, step)
    if rest or blocks < 1:
        near = max(round((depth - outside) / step), 1)
        first, second, third = (n * step + outside for n in (1, 2, 3))
        raise ConfigError(
            f"model.depth={depth} is not {step}n + {outside}: the nearest that is one is "
            f"{near * step + outside} (of {first}, {second}, {third}, …)"
        )
    return blocks


def require_modules(depth: int) -> None:
    """Raise a ConfigError if a network of Inception modules is given none."""
    if depth < 1:
        raise ConfigError(f"inception.depth={depth} is below 1, the least number of modules")


def require_odd(key: str, kernel: int) -> None:
    """Raise a ConfigError if a kernel is even: its output would not have its input's size."""
    if kernel % 2 == 0:
        raise ConfigError(f"{key}={kernel} is even: a kernel must be odd")


def refuse_modules(depth: int) -> None:
    """Raise a ConfigError if a network of other blocks is given Inception modules."""
    if depth:
        raise ConfigError(
            f"inception.depth={depth} has no meaning for a model without Inception "
            "modules: choose model=inception, or inception=none"
        )


def require_listed(depth: int, listed: int) -> None:
    """Raise a ConfigError if `depth` is not the number of modules that a model lists."""
    if depth != listed:
        raise ConfigError(
            f"inception.depth={depth} is not the number of modules that model.stages lists: set "
            f"inception.depth={listed}"
        )


def refuse_no_block() -> NoReturn:
    """Raise the ConfigError for a network that needs a block and has none."""
    raise ConfigError("block=none has no meaning for this model: choose basic, bottleneck, …")


def refuse_block(name: str) -> NoReturn:
    """Raise the ConfigError for a network of Inception modules that is given another block."""
    raise ConfigError(
        f"block={name.lower()} has no meaning for a model whose blocks are Inception modules: "
        "leave block=none"
    )


def check_groups(groups: int, channels: int, width: int, kernel: int) -> None:
    """Raise a ConfigError if `groups` do not divide the channels of a convolution."""
    shared = gcd(channels, width)
    if shared % groups:
        offer = [str(n) for n in range(2, shared + 1) if shared % n == 0]
        choices = (
            f"choose {' or '.join(offer)}, or other widths" if offer else "choose other widths"
        )
        raise ConfigError(
            f"conv.groups={groups} does not divide the channels of a {kernel}×{kernel} "
            f"convolution, {channels} to {width}: {choices}"
        )


def check_block_groups(groups: int, channels: int, width: int) -> None:
    """Raise a ConfigError if `groups` do not divide the channels of a block's own convolution."""
    if gcd(channels, width) % groups:
        raise ConfigError(
            f"block.groups={groups} does not divide the channels of a 1×1 convolution, {channels} "
            f"to {width}: choose other widths or groups"
        )


def count_groups(width: int, channels: int, out: int, kernel: int) -> int:
    """Return how often `width` channels are in the divisor that both sides of a convolution share.

    Raises:
        ConfigError: if they do not make it up.
    """
    shared = gcd(channels, out)
    if shared % width:
        offer = " or ".join(str(n) for n in range(1, shared + 1) if shared % n == 0)
        raise ConfigError(
            f"conv.width={width} does not divide the channels of a {kernel}×{kernel} convolution, "
            f"{channels} to {out}: choose {offer}, or other widths"
        )
    return shared // width


def refuse_convolution(name: str) -> NoReturn:
    """Raise the ConfigError for a kind of convolution that changes nothing in a network."""
    raise ConfigError(
        f"conv={name} changes nothing in this network, whose blocks have no full convolution that "
        "is larger than 1×1 and takes more than the images: leave conv=full"
    )


def refuse_residual(name: str) -> NoReturn:
    """Raise the ConfigError for scaling the branches of a network without skip connections."""
    raise ConfigError(
        f"residual={name} has no meaning without skip connections: choose skip=identity, "
        "projection, …, or residual=none"
    )


def check_pooling_alone(name: str, takes_convolution: bool) -> None:
    """Raise a ConfigError if surgery is to insert a pooling that works by a convolution before."""
    if takes_convolution:
        raise ConfigError(
            f"surgery.pooling={name} works by the convolution before it, which surgery leaves as "
            "it is: choose max, avg, blur_max, …"
        )


def check_norm_alone(name: str, bias_before: bool) -> None:
    """Raise a ConfigError if surgery is to insert a norm that needs a bias before it."""
    if bias_before:
        raise ConfigError(
            f"surgery.norm={name} needs a bias in the convolution before it, which surgery leaves "
            "as it is: choose another, such as group"
        )


BACKBONES_WITH_HEADS = ("googlenet", "inception_v3")


# Names under which a user's network gets what it is to know of the images: their channels, the
# number of classes, their side in pixels (height and width if these differ), and (H, W).
IMAGE_ARGUMENTS = {
    "channels": ("in_channels", "in_chans", "num_channels", "channels"),
    "classes": ("num_classes", "n_classes", "classes"),
    "side": ("image_size", "img_size", "input_size"),
    "size": ("size",),
}


def require_backbone_heads(name: str) -> None:
    """Raise a ConfigError if torchvision's network `name` has no auxiliary heads."""
    if name not in BACKBONES_WITH_HEADS:
        refuse_own_heads()


def check_range(key: str, value: int, last: int, what: str) -> None:
    """Raise a ConfigError if `value` is not from 0 to `last`, the network's number of `what`."""
    if not 0 <= value <= last:
        raise ConfigError(f"{key}={value} is out of range: this network has 0 to {last} {what}")


def check_stages(stages: Sequence[int], count: int) -> None:
    """Raise a ConfigError if a number in `stages` is no stage of the network, or occurs twice."""
    for stage in stages:
        if not 1 <= stage <= count:
            raise ConfigError(f"aux.stages={stage} names no stage: this network has 1 to {count}")
    if len(set(stages)) < len(stages):
        raise ConfigError(f"aux.stages={list(stages)} names a stage twice: each has one head")


def refuse_own_heads() -> NoReturn:
    """Raise the ConfigError for a network without auxiliary heads that is asked for its own."""
    raise ConfigError(
        "aux=own has no meaning for this model, which brings no auxiliary heads of its own: "
        "choose none or heads"
    )


def check_canvas(patch: int, smallest: int, largest: int, canvas: int) -> None:
    """Raise a ConfigError if patches do not fit into digits, or digits into the canvas (pixels)."""
    if not patch <= smallest <= largest <= canvas:
        raise ConfigError(
            f"data.source needs patch ≤ smallest ≤ largest ≤ canvas, not {patch}, {smallest}, "
            f"{largest}, {canvas}"
        )


def check_shares(batch: int, devices: int) -> None:
    """Raise a ConfigError if `devices` can't have equal shares of a training batch."""
    if batch % devices:
        raise ConfigError(
            f"data.batch_size={batch} is not a multiple of {devices}, the number of devices that "
            f"share a batch: the nearest that is one is {max(1, round(batch / devices)) * devices}"
        )
