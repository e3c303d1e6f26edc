"""Families of networks: a few numbers give the stages, `compose` builds them from parts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Annotated, Any, Literal, NoReturn

from annotated_types import Ge, MinLen

from cnn_anatomy.config import constraints
from cnn_anatomy.core.ranges import Size, Sizes
from cnn_anatomy.networks.inception import Modules
from cnn_anatomy.networks.interface import Network
from cnn_anatomy.networks.layers import Factory, made
from cnn_anatomy.networks.network import compose
from cnn_anatomy.networks.stages import Stage
from cnn_anatomy.networks.stems import Bare, BareConvolution, Convolution

StageList = Annotated[Sequence[Stage], MinLen(1)]


def cifar_resnet(depth: int, width: int = 16, convolutions: int = 2) -> list[Stage]:
    """Three stages of equal length, each twice as wide (He et al. 2015, section 4.2).

    `convolutions` is how many a block holds: 2 gives depths 6n + 2, a bottleneck's 3 gives 9n + 2.

    Raises:
        ConfigError: if the depth is not of that form.
    """
    return doubling([constraints.blocks_per_stage(depth, convolutions)] * 3, width)


def doubling(blocks: Sequence[int], width: int) -> list[Stage]:
    """A stage for each number of `blocks`, each twice as wide and half as high as the last."""
    return [
        Stage([width * 2**k] * count, "first" if k else "never") for k, count in enumerate(blocks)
    ]


def inception_stages(depth: int, width: int = 64) -> list[Stage]:
    """`depth` Inception modules in three stages, of widths 1 : 1.5 : 2, each halved before.

    Raises:
        ConfigError: if depth is below 1.
    """
    constraints.require_modules(depth)
    counts = [(depth + 2 - k) // 3 for k in range(3)]
    widths = [width, width * 3 // 2, width * 2]
    return [Stage([w] * n, "before") for w, n in zip(widths, counts, strict=True)]


Base = Literal["a", "b", "c"]
# The convolutions of the first two stages, (width, kernel): Springenberg et al. 2014, table 1.
ALL_CNN: dict[Base, tuple[list[tuple[int, int]], list[tuple[int, int]]]] = {
    "a": ([(96, 5)], [(192, 5)]),
    "b": ([(96, 5), (96, 1)], [(192, 5), (192, 1)]),
    "c": ([(96, 3), (96, 3)], [(192, 3), (192, 3)]),
}


def all_cnn_stages(
    base: Base, halve: Literal["after", "last"], extra: bool, width: Size = 96
) -> list[Stage]:
    """Three stages of base network `base` (Springenberg et al. 2014, tables 1 and 2)."""
    stages = []
    for layers in ALL_CNN[base]:
        scaled = [(w * width // 96, kernel) for w, kernel in layers]
        more = [(scaled[-1][0], 3)] if extra else []
        stages.append(Stage([*scaled, *more], halve, dropout=0.5))
    return [*stages, Stage([(2 * width, 3), (2 * width, 1)])]


def no_block(*_: Any, **__: Any) -> NoReturn:
    """Stand in for the block of a model whose blocks are Inception modules.

    Raises:
        ConfigError: always, as only a model that needs a block calls it.
    """
    constraints.refuse_no_block()


def resnet(
    *, depth: Size, width: Size, block: Factory, inception: Modules, **parts: Any
) -> Network:
    """Build a ResNet for small images (He et al. 2015, section 4.2); without skips, a plain net."""
    constraints.refuse_modules(inception.depth)
    convolutions = getattr(made(block), "convolutions", 2)
    stages = cifar_resnet(depth, width, convolutions)
    return compose(stages, stem=partial(Convolution, width=width), block=block, **parts)


def wide_resnet(
    *, depth: Size, widening: Size, block: Factory, inception: Modules, **parts: Any
) -> Network:
    """Build a wide residual network (Zagoruyko & Komodakis 2016): the stem 16 channels wide.

    Its depth is 6n + 4, as it counts the stem and three projections.
    """
    constraints.refuse_modules(inception.depth)
    convolutions = getattr(made(block), "convolutions", 2)
    blocks = constraints.blocks_per_stage(depth, convolutions, outside=4)
    stages = doubling([blocks] * 3, 16 * widening)
    return compose(stages, stem=partial(BareConvolution, width=16), block=block, **parts)


def imagenet_resnet(
    *,
    blocks: Sizes,
    width: Size,
    stem: Factory,
    block: Factory,
    inception: Modules,
    **parts: Any,
) -> Network:
    """Build a ResNet for ImageNet (He et al. 2015, table 1); `blocks` is their number by stage."""
    constraints.refuse_modules(inception.depth)
    stages = doubling(blocks, width)
    return compose(stages, stem=partial(stem, width=width), block=block, **parts)


def vgg(
    *,
    stages: Annotated[Sequence[Sizes], MinLen(1)],
    block: Factory,
    inception: Modules,
    **parts: Any,
) -> Network:
    """Build a VGG (Simonyan & Zisserman 2014); `stages` lists the widths of each stage."""
    return series(
        stages=[Stage(widths, "after") for widths in stages],
        stem=Bare,
        block=block,
        inception=inception,
        **parts,
    )


def series(
    *, stages: StageList, stem: Factory, block: Factory, inception: Modules, **parts: Any
) -> Network:
    """Build a network with the stages listed: of blocks, or with block=none of Inception modules.

    Raises:
        ConfigError: if `inception.depth` is not the number of modules listed.
    """
    if made(block) is no_block and inception.depth:
        _require_listed(inception, stages)
        return compose(stages, stem=stem, block=inception.block, **parts)
    constraints.refuse_modules(inception.depth)
    return compose(stages, stem=stem, block=block, **parts)


def all_cnn(
    *,
    base: Base,
    halve: Literal["after", "last"],
    extra: bool,
    width: Size,
    stem: Factory,
    block: Factory,
    inception: Modules,
    **parts: Any,
) -> Network:
    """Build an All-CNN or a base network that it is compared with (Springenberg et al. 2014)."""
    constraints.refuse_modules(inception.depth)
    return compose(all_cnn_stages(base, halve, extra, width), stem=stem, block=block, **parts)


def inception_network(
    *, width: Annotated[int, Ge(8)], block: Factory, inception: Modules, **parts: Any
) -> Network:
    """Build a GoogLeNet for small images: a 3×3 convolution and three stages of modules.

    Raises:
        ConfigError: if another block is asked for, or no module.
    """
    _only_modules(block)
    stages = inception_stages(inception.depth, width)
    stem = partial(Convolution, width=width // 2)
    return compose(stages, stem=stem, block=inception.block, **parts)


def googlenet(
    *,
    stages: StageList,
    stem: Factory,
    last_pooling: Factory | None,
    block: Factory,
    inception: Modules,
    **parts: Any,
) -> Network:
    """Build a GoogLeNet (Szegedy et al. 2014); stages list the six widths of each module.

    `last_pooling` replaces the pooling before the last stage, if not None.

    Raises:
        ConfigError: if another block is asked for, or `inception.depth` is not the number of
            modules listed.
    """
    _only_modules(block)
    _require_listed(inception, stages)
    stages = [*stages[:-1], replace(stages[-1], pooling=last_pooling)]
    return compose(stages, stem=stem, block=inception.block, **parts)


def _require_listed(inception: Modules, stages: Sequence[Stage]) -> None:
    constraints.require_listed(inception.depth, sum(len(stage.widths) for stage in stages))


def _only_modules(block: Factory) -> None:
    if made(block) is not no_block:
        constraints.refuse_block(getattr(made(block), "__name__", str(block)))
