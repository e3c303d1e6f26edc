"""Families of networks whose size is one or two numbers, made of the same parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import nn

from cnn_anatomy.errors import ConfigError
from cnn_anatomy.networks.inception import Modules
from cnn_anatomy.networks.layers import Factory
from cnn_anatomy.networks.network import Network, Stage


def cifar_resnet(depth: int, width: int = 16, convolutions: int = 2) -> list[Stage]:
    """Three stages of equal length, each twice as wide (He et al. 2015, section 4.2).

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
    return [
        Stage([width] * blocks, "never"),
        Stage([2 * width] * blocks, "inside"),
        Stage([4 * width] * blocks, "inside"),
    ]


def inception_stages(depth: int, width: int = 64) -> list[Stage]:
    """`depth` Inception modules in three stages, each halved before and wider by half.

    Raises:
        ConfigError: if depth is below 1.
    """
    if depth < 1:
        raise ConfigError(f"inception.depth={depth} is below 1, the least number of modules")
    counts = [(depth + 2 - k) // 3 for k in range(3)]
    widths = [width, width * 3 // 2, width * 2]
    return [Stage([w] * n, "before") for w, n in zip(widths, counts, strict=True)]


def no_block(*_: Any, **__: Any) -> nn.Module:
    """Stand for the block of a model whose blocks are Inception modules.

    Raises:
        ConfigError: when a model asks for a block after all.
    """
    raise ConfigError("block=none has no meaning for this model: choose basic, bottleneck, …")


def resnet(*, depth: int, width: int, block: Factory, inception: Modules, **parts: Any) -> Network:
    """Build a residual (or, with skip=none, plain) network of 32×32 images' form."""
    _no_modules(inception)
    convolutions = getattr(_made(block), "convolutions", 2)
    return Network(cifar_resnet(depth, width, convolutions), stem=width, block=block, **parts)


def vgg(
    *, stages: Sequence[Sequence[int]], block: Factory, inception: Modules, **parts: Any
) -> Network:
    """Build a network of convolutions in series; `stages` lists the widths of each stage."""
    _no_modules(inception)
    return Network([Stage(widths, "after") for widths in stages], stem=0, block=block, **parts)


def inception_network(*, width: int, block: Factory, inception: Modules, **parts: Any) -> Network:
    """Build a GoogLeNet for small images: a 3×3 stem and three pooled stages of modules.

    Raises:
        ConfigError: if another block is asked for, or no module.
    """
    if _made(block) is not no_block:
        raise ConfigError(
            f"block={getattr(_made(block), '__name__', block)} has no meaning for model=inception, "
            "whose blocks are Inception modules: leave block=none"
        )
    stages = inception_stages(inception.depth, width)
    return Network(stages, stem=width // 2, block=inception.block, **parts)


def _no_modules(inception: Modules) -> None:
    if inception.depth:
        raise ConfigError(
            f"inception.depth={inception.depth} has no meaning for a model without Inception "
            "modules: choose model=inception, or inception=none"
        )


def _made(factory: Factory) -> Any:
    """Return the class or function that a partial calls."""
    return getattr(factory, "func", factory)
