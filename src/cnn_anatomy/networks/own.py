"""A user's own network: any class or function that makes a module from images to logits."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import nn

from cnn_anatomy.config.constraints import IMAGE_ARGUMENTS
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.objects import imported
from cnn_anatomy.networks.adapter import Adapter
from cnn_anatomy.networks.auxiliary import Auxiliary
from cnn_anatomy.networks.interface import Network
from cnn_anatomy.networks.surgery import NO_SURGERY, Surgery


def own(
    *,
    target: str,
    args: Mapping[str, Any],
    stages: Sequence[str] | None,
    classifier: str | None,
    auxiliary: Auxiliary,
    surgery: Surgery = NO_SURGERY,
    channels: int,
    size: tuple[int, int],
    classes: int,
) -> Network:
    """Build the network that `target` makes of `args` and what it asks to know of the images.

    Channels, classes and size are passed by the names of IMAGE_ARGUMENTS that the signature has
    and `args` has not.

    Args:
        target: dotted name of a class or function, which returns a module.
        args: its keywords.
        stages: names of the modules that are the stages; None to find them (see `Adapter`).
        classifier: name of the last layer with weights; None to find it.
        auxiliary: `Own` for the network's auxiliary logits, otherwise our heads after its stages.
        surgery: replaces modules of it.
        channels: of the images.
        size: (H, W) of the images in pixels.
        classes: number of logits.

    Raises:
        ConfigError: if there is no such class or function, or what it makes is no such network.
    """
    make = imported("model.target", target)
    height, width = size
    side = height if height == width else size
    known = {"channels": channels, "classes": classes, "side": side, "size": size}
    parameters = inspect.signature(make).parameters
    passed = {
        name: known[what]
        for what, names in IMAGE_ARGUMENTS.items()
        for name in names
        if name in parameters and name not in args
    }
    return Adapter(
        _made(make, target, {**passed, **args}),
        torch.zeros(1, channels, height, width),
        classes,
        stages=stages,
        classifier=classifier,
        auxiliary=auxiliary,
        surgery=surgery,
        subject=f"model.target={target}",
    )


def _made(make: Callable[..., Any], target: str, keywords: Mapping[str, Any]) -> nn.Module:
    """Return the module that `make`, called `target`, makes of `keywords`.

    Raises:
        ConfigError: if it makes none, or one that computes nothing.
    """
    module = make(**keywords)
    if not isinstance(module, nn.Module):
        raise ConfigError(
            f"model.target={target} makes a {type(module).__name__}, not a torch.nn.Module"
        )
    if module.forward == nn.Module.forward.__get__(module):
        raise ConfigError(
            f"model.target={target} makes a {type(module).__name__} without forward, which maps "
            "images to logits"
        )
    return module
