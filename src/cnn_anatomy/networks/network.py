"""The network of every architecture: a stem, stages of blocks, a head and auxiliary heads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import torch
from torch import Tensor, nn

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks.adaptive_average import replace_adaptive_averages
from cnn_anatomy.networks.auxiliary import Auxiliary
from cnn_anatomy.networks.dilation import dilate
from cnn_anatomy.networks.interface import Network, Output
from cnn_anatomy.networks.layers import Factory
from cnn_anatomy.networks.refinement import refine
from cnn_anatomy.networks.skip import GatedSkip
from cnn_anatomy.networks.stages import Stage, build_stages

T = TypeVar("T")
# Sides of images, in pixels, that any network of ours takes. Halved again and again, the first
# stays odd and the second even, so that these images differ from a smaller one in size alone.
LARGER_SIDES = (511, 512)


class Composed(Network):
    """Stem → stages → head, with auxiliary heads after chosen stages.

    Args:
        stem: maps images to the input of the first stage.
        stages: map feature maps to feature maps.
        head: maps the last feature map to logits; its last layer is `head.classifier`.
        auxiliary: heads by the number (from 1) of the stage whose output they take.
    """

    enters_after_stages = True
    task_parts = ("head.classifier.", "auxiliary.")

    def __init__(
        self,
        stem: nn.Module,
        stages: Iterable[nn.Module],
        head: nn.Module,
        auxiliary: nn.ModuleDict,
    ) -> None:
        super().__init__()
        self.stem = stem
        self.stages = nn.ModuleList(stages)
        self.head = head
        self.auxiliary = auxiliary
        replace_adaptive_averages(self)

    @property
    def classifier(self) -> nn.Module:
        """The last layer with weights."""
        return self.head.classifier

    def stage_of(self, name: str) -> int:
        """Return the stage (from 1) of the layer `name`, 0 for the stem and −1 for the head."""
        match = re.match(r"stages\.(\d+)\.", name)
        if match:
            return int(match[1]) + 1
        return 0 if name.startswith("stem") else -1

    def features(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to the last feature map (N, C', H', W')."""
        return self.prefix(x, len(self.stages))

    def maps(self, images: Tensor) -> dict[int, Tensor]:
        """Return the feature map (N, C, H, W) after each stage (from 1)."""
        x, maps = self.stem(images), {}
        for k, stage in enumerate(self.stages, 1):
            x = maps[k] = stage(x)
        return maps

    def class_activation(self, images: Tensor, classes: Tensor) -> Tensor | None:
        """Return the maps (N, h, w) of images (N, C, H, W) for `classes` (N,), if the head can."""
        if not hasattr(self.head, "class_activation"):
            return None
        return self.head.class_activation(self.features(images), classes)

    def forward(self, x: Tensor, after: int | None = None) -> Output:
        """Map images (N, C, H, W) to logits; auxiliary heads run in training mode only.

        With `after`, x is the output of `prefix(images, after)` instead of images.
        """
        if after is None:
            x, after = self.stem(x), 0
        side = []
        for k, stage in enumerate(self.stages[after:], after + 1):
            x = stage(x)
            if self.training and str(k) in self.auxiliary:
                side.append(self.auxiliary[str(k)](x))
        return Output(self.head(x), tuple(side))

    def prefix(self, x: Tensor, after: int) -> Tensor:
        """Map images (N, C, H, W) to the feature map after stage `after`, 0 for the stem."""
        x = self.stem(x)
        for stage in self.stages[:after]:
            x = stage(x)
        return x


def compose(
    stages: Sequence[Stage],
    *,
    stem: Factory,
    block: Factory,
    pooling: Factory,
    skip: Factory,
    norm: Factory,
    activation: Factory,
    conv: Factory,
    attention: Factory,
    residual: Factory,
    head: Factory,
    auxiliary: Auxiliary,
    init: Factory,
    channels: int,
    size: tuple[int, int],
    classes: int,
    close: bool = True,
) -> Network:
    """Build a network from parts.

    Args:
        stages: the widths of each stage and where it halves the resolution.
        stem: what comes before the stages.
        block: what the stages repeat.
        pooling: how the resolution is halved.
        skip: how a block's input joins its output.
        norm: what follows each convolution.
        activation: what follows each norm.
        conv: what takes the place of the blocks' convolutions larger than 1×1.
        attention: scales the channels of a block's branch.
        residual: scales a block's branch, or drops it.
        head: maps the last feature map to logits.
        auxiliary: which stages have an auxiliary head.
        init: initialises the weights of one module.
        channels: of the images.
        size: (H, W) of the images in pixels.
        classes: number of logits.
        close: whether the layers follow that close a network of pre-activation blocks.

    Raises:
        ConfigError: if images are too small, or a head, `conv` or `residual` has no place.
    """
    shared = {"norm": norm, "activation": activation}
    entrance = stem(channels, pooling=pooling, **shared)
    built, width = build_stages(
        stages,
        entrance.out_channels,
        close=close,
        block=block,
        pooling=pooling,
        skip=skip,
        **shared,
    )
    refine(entrance, built, conv=conv, attention=attention, residual=residual, **shared)
    dilate(nn.Sequential(entrance, *built), channels)
    shapes = map_shapes(entrance, built, torch.zeros(1, channels, *size))
    heads = head(width, shapes[-1][1:], classes), auxiliary.build(shapes, classes, **shared)
    return initialise(Composed(entrance, built, *heads), init)


def initialise(network: Network, init: Factory) -> Network:
    """Call `init` with each module, then let modules reset what they set themselves."""
    for module in network.modules():
        init(module)
    for module in network.modules():
        if isinstance(module, GatedSkip):
            module.reset()
    return network


def map_shapes(
    stem: nn.Module, stages: Sequence[nn.Module], image: Tensor
) -> list[tuple[int, int, int]]:
    """Return (C, H, W) of the feature map after each stage, for `image` of shape (1, C, H, W).

    Raises:
        ConfigError: if the image is too small for the poolings.
    """
    height, width = image.shape[-2:]
    return run_or_refuse(
        lambda x: shapes_after(stem, stages, x),
        image,
        f"images of {height}×{width} pixels are too small for the poolings of {len(stages)} "
        "stages: choose larger images, fewer stages or pooling=none",
    )


def shapes_after(
    stem: nn.Module, stages: Sequence[nn.Module], image: Tensor
) -> list[tuple[int, int, int]]:
    """Return (C, H, W) after each stage, run on `image` (1, C, H, W) in evaluation mode.

    Raises:
        ValueError: if a feature map has no pixels.
    """
    shapes: list[tuple[int, int, int]] = []
    with torch.no_grad():
        x = stem.eval()(image)
        for stage in stages:
            x = stage.eval()(x)
            _, channels, height, width = x.shape
            if not height or not width:
                raise ValueError(f"the feature map after stage {len(shapes) + 1} has no pixels")
            shapes.append((channels, height, width))
    for module in (stem, *stages):
        module.train()
    return shapes


def run_or_refuse(run: Callable[[Tensor], T], image: Tensor, refusal: str) -> T:
    """Return `run(image)` for `image` of shape (1, C, H, W).

    Raises:
        ConfigError: with the message `refusal`, if only larger images run.
        Exception: what `run` raised, if larger images fail as well: it has a bug.
    """
    try:
        return run(image)
    except ConfigError:
        raise  # a part knows better what is wrong
    except (RuntimeError, ValueError) as error:
        if not _larger_images_run(run, image):
            error.add_note(f"The network was given images of shape {tuple(image.shape)}.")
            raise
        raise ConfigError(refusal) from error


def _larger_images_run(run: Callable[[Tensor], object], image: Tensor) -> bool:
    try:
        for side in LARGER_SIDES:
            run(image.new_zeros(*image.shape[:2], side, side))
    except Exception:  # the caller raises the one of the smaller image
        return False
    return True
