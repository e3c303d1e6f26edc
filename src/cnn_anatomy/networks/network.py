"""The network every architecture is: stem, stages of blocks, head, auxiliary heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from cnn_anatomy.errors import ConfigError
from cnn_anatomy.networks.auxiliary import Auxiliary
from cnn_anatomy.networks.layers import ConvNormAct, Factory, Transition
from cnn_anatomy.networks.pooling import Unpooled
from cnn_anatomy.networks.skip import Gated


@dataclass(frozen=True)
class Stage:
    """The widths of a stage's blocks, and where its resolution halves.

    `halve`: "never", "before" or "after" the blocks, or "inside" the first of them.
    """

    widths: Sequence[int | Sequence[int]]
    halve: Literal["never", "before", "inside", "after"] = "never"


class Output(NamedTuple):
    """Logits (N, classes) and, in training only, those of each auxiliary head."""

    logits: Tensor
    auxiliary: tuple[Tensor, ...] = ()


class Network(nn.Module):
    """Stem → stages → head, with auxiliary heads tapped after chosen stages.

    Args:
        stages: what each stage holds.
        stem: width of the first 3×3 convolution; 0 for none (VGG).
        block, pooling, skip, norm, activation, head: factories of the parts.
        auxiliary: which stages carry an auxiliary head.
        init: initialises one module's weights.
        channels: of the images.
        size: (H, W) of the images in pixels.
        classes: number of logits.

    Raises:
        ConfigError: if images are too small for the poolings, or an auxiliary head has no stage.
    """

    def __init__(
        self,
        stages: Sequence[Stage],
        *,
        stem: int,
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
    ) -> None:
        super().__init__()
        shared = {"norm": norm, "activation": activation}
        image = torch.zeros(1, channels, *size)
        self.stem: nn.Module = nn.Identity()
        if stem:
            self.stem = ConvNormAct(channels, stem, 3, **shared)
            channels = stem
        self.stages = nn.ModuleList()
        tapped = []
        for stage in stages:
            parts: list[nn.Module] = []
            if stage.halve == "before":
                parts.append(Transition(channels, pooling=pooling, **shared))
            for i, width in enumerate(stage.widths):
                inside = pooling if stage.halve == "inside" and i == 0 else Unpooled
                made = block(channels, width, pooling=inside, skip=skip, **shared)
                parts.append(made)
                channels = made.out_channels
            if stage.halve == "after":
                parts.append(Transition(channels, pooling=pooling, **shared))
            self.stages.append(nn.Sequential(*parts))
            tapped.append(channels)
        try:
            with torch.no_grad():
                features = self.eval().features(image)
        except RuntimeError as error:
            raise ConfigError(
                f"images of {size[0]}×{size[1]} pixels are too small for the poolings of "
                f"{len(stages)} stages"
            ) from error
        self.head = head(channels, tuple(features.shape[-2:]), classes)
        self.auxiliary = auxiliary.build(tapped, classes, **shared)
        self.train()
        for module in self.modules():
            init(module)
        for module in self.modules():
            if isinstance(module, Gated):
                module.reset()

    def features(self, x: Tensor) -> Tensor:
        """Map images (N, C, H, W) to the last feature map (N, C', H', W')."""
        x = self.stem(x)
        for stage in self.stages:
            x = stage(x)
        return x

    def forward(self, x: Tensor) -> Output:
        """Map images (N, C, H, W) to logits; auxiliary heads answer in training only."""
        x = self.stem(x)
        side = []
        for k, stage in enumerate(self.stages, 1):
            x = stage(x)
            if self.training and str(k) in self.auxiliary:
                side.append(self.auxiliary[str(k)](x))
        return Output(self.head(x), tuple(side))


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
