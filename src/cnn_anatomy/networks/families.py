"""Families of networks whose size is one or two numbers, made of the same parts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn

from cnn_anatomy import sizes
from cnn_anatomy.networks.inception import Modules
from cnn_anatomy.networks.layers import Factory
from cnn_anatomy.networks.network import Network, Stage


def cifar_resnet(depth: int, width: int = 16, convolutions: int = 2) -> list[Stage]:
    """Three stages of equal length, each twice as wide (He et al. 2015, section 4.2).

    `convolutions` is how many a block holds: 2 gives depths 6n + 2, a bottleneck's 3 gives 9n + 2.

    Raises:
        ConfigError: if the depth is not of that form.
    """
    blocks = sizes.blocks_per_stage(depth, convolutions)
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
    sizes.require_modules(depth)
    counts = [(depth + 2 - k) // 3 for k in range(3)]
    widths = [width, width * 3 // 2, width * 2]
    return [Stage([w] * n, "before") for w, n in zip(widths, counts, strict=True)]


def no_block(*_: Any, **__: Any) -> NoReturn:
    """Stand for the block of a model whose blocks are Inception modules.

    Raises:
        ConfigError: when a model asks for a block after all.
    """
    sizes.refuse_no_block()


def resnet(*, depth: int, width: int, block: Factory, inception: Modules, **parts: Any) -> Network:
    """Build a residual (or, with skip=none, plain) network of 32×32 images' form."""
    sizes.refuse_modules(inception.depth)
    convolutions = getattr(_made(block), "convolutions", 2)
    return Network(cifar_resnet(depth, width, convolutions), stem=width, block=block, **parts)


def vgg(
    *, stages: Sequence[Sequence[int]], block: Factory, inception: Modules, **parts: Any
) -> Network:
    """Build a network of convolutions in series; `stages` lists the widths of each stage."""
    sizes.refuse_modules(inception.depth)
    return Network([Stage(widths, "after") for widths in stages], stem=0, block=block, **parts)


def inception_network(*, width: int, block: Factory, inception: Modules, **parts: Any) -> Network:
    """Build a GoogLeNet for small images: a 3×3 stem and three pooled stages of modules.

    Raises:
        ConfigError: if another block is asked for, or no module.
    """
    if _made(block) is not no_block:
        sizes.refuse_block(getattr(_made(block), "__name__", str(block)))
    stages = inception_stages(inception.depth, width)
    return Network(stages, stem=width // 2, block=inception.block, **parts)


def _made(factory: Factory) -> Any:
    """Return the class or function that a partial calls."""
    return getattr(factory, "func", factory)
