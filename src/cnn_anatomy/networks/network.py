"""The network every architecture is: stem, stages of blocks, head, auxiliary heads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import torch
from annotated_types import MinLen
from torch import Tensor, nn

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.ranges import Share, Size
from cnn_anatomy.networks.auxiliary import Auxiliary
from cnn_anatomy.networks.layers import Factory, Transition
from cnn_anatomy.networks.pooling import Unpooled
from cnn_anatomy.networks.skip import Gated


@dataclass(frozen=True)
class Stage:
    """The widths of a stage's blocks, and where its resolution halves.

    `halve`: "never", "before" or "after" the blocks, or inside the "first" or the "last" of them.
    `pooling` stands in for the network's own; `dropout` is that of the stage's output.
    """

    widths: Annotated[Sequence[Size | Sequence[Size]], MinLen(1)]
    halve: Literal["never", "before", "first", "last", "after"] = "never"
    dropout: Share = 0.0
    pooling: Factory | None = None


class Output(NamedTuple):
    """Logits (N, classes) and, in training only, those of each auxiliary head."""

    logits: Tensor
    auxiliary: tuple[Tensor, ...] = ()


class Network(nn.Module):
    """Stem → stages → head, with auxiliary heads tapped after chosen stages.

    Args:
        stem: maps images to the first stage's input.
        stages: each maps feature maps to feature maps.
        head: maps the last feature map to logits; its last layer is `head.classifier`.
        auxiliary: side heads by the number (from 1) of the stage they follow.
    """

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
        self.head: Any = head  # of which kind, the injected class says
        self.auxiliary = auxiliary

    def features(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to the last feature map (N, C', H', W')."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return x

    def forward(self, x: Tensor, after: int | None = None) -> Output:
        """Map images (N, C, H, W) to logits; auxiliary heads answer in training only.

        With `after`, x is what `prefix` makes of the images.
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
        """Map images (N, C, H, W) to the map after stage number `after`, 0 being the stem."""
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
    head: Factory,
    auxiliary: Auxiliary,
    init: Factory,
    channels: int,
    size: tuple[int, int],
    classes: int,
) -> Network:
    """Build a network from parts.

    Args:
        stages: what each stage holds.
        stem: what stands before them.
        block: what the stages repeat.
        pooling: how resolution halves.
        skip: how a block's input joins its output.
        norm: after each convolution.
        activation: after each norm.
        head: from the last feature map to logits.
        auxiliary: which stages carry an auxiliary head.
        init: initialises one module's weights.
        channels: of the images.
        size: (H, W) of the images in pixels.
        classes: number of logits.

    Raises:
        ConfigError: if images are too small for the poolings, or an auxiliary head has no stage.
    """
    shared = {"norm": norm, "activation": activation}
    image = torch.zeros(1, channels, *size)
    entrance = stem(channels, pooling=pooling, **shared)
    channels = entrance.out_channels
    built = []
    for k, stage in enumerate(stages, 1):
        pool = stage.pooling or pooling
        parts: list[nn.Module] = []
        if stage.halve == "before":
            parts.append(Transition(channels, pooling=pool, **shared))
        halved = {"first": 0, "last": len(stage.widths) - 1}.get(stage.halve)
        for i, width in enumerate(stage.widths):
            inside = pool if i == halved else Unpooled
            parts.append(block(channels, width, pooling=inside, skip=skip, **shared))
            channels = parts[-1].out_channels  # type: ignore[assignment]
        if k == len(stages) and stage.widths:
            closing = parts[-1].closing(channels, **shared)  # type: ignore[operator]
            parts += [closing] if closing is not None else []
        if stage.halve == "after":
            parts.append(Transition(channels, pooling=pool, **shared))
        if stage.dropout:
            parts.append(nn.Dropout(stage.dropout))
        built.append(nn.Sequential(*parts))
    shapes = map_shapes(entrance, built, image)
    network = Network(
        entrance,
        built,
        head(channels, shapes[-1][1:], classes),
        auxiliary.build(shapes, classes, **shared),
    )
    for module in network.modules():
        init(module)
    for module in network.modules():
        if isinstance(module, Gated):
            module.reset()
    return network


def map_shapes(
    stem: nn.Module, stages: Sequence[nn.Module], image: Tensor
) -> list[tuple[int, int, int]]:
    """Return (C, H, W) of the feature map after each stage, for `image` of shape (1, C, H, W).

    Raises:
        ConfigError: if the image is too small for the poolings.
    """
    shapes: list[tuple[int, int, int]] = []
    try:
        with torch.no_grad():
            x = stem.eval()(image)
            for stage in stages:
                x = stage.eval()(x)
                _, channels, height, width = x.shape
                shapes.append((channels, height, width))
    except (RuntimeError, ValueError) as error:  # a norm of single values is a ValueError
        raise ConfigError(
            f"images of {image.shape[-2]}×{image.shape[-1]} pixels are too small for the poolings "
            f"of {len(stages)} stages: choose larger images, fewer stages or pooling=none"
        ) from error
    for module in (stem, *stages):
        module.train()
    return shapes


def weight_layers(network: Network, image: Tensor) -> list[tuple[str, nn.Module]]:
    """Return (name, module) of every convolution and linear layer in the order it is run.

    Auxiliary heads, which the evaluated network lacks, are not among them. `image`: (1, C, H, W).
    """
    return [
        (name, module)
        for name, module in forward_order(network, image)
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]


def forward_order(network: Network, image: Tensor) -> list[tuple[str, nn.Module]]:
    """Return (name, module) of each leaf with parameters or buffers, in the order they are run."""
    order: dict[nn.Module, str] = {}
    hooks = []
    for name, module in network.named_modules():
        owned = list(module.parameters(recurse=False)) + list(module.buffers(recurse=False))
        if owned:
            hooks.append(module.register_forward_pre_hook(_recorder(order, name)))
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(image)
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return [(name, module) for module, name in order.items()]


def _recorder(order: dict[nn.Module, str], name: str) -> Factory:
    def record(module: nn.Module, _: object) -> None:
        order.setdefault(module, name)

    return record
