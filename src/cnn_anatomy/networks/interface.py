"""What training and probes ask of a network, whoever wrote it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class Output(NamedTuple):
    """Logits (N, classes), and in training mode the logits of each auxiliary head."""

    logits: Tensor
    auxiliary: tuple[Tensor, ...] = ()


class Network(nn.Module, ABC):
    """Maps images to logits, and has a stem, stages, a head and auxiliary heads.

    Attributes:
        stem: runs before the first stage.
        stages: in forward order.
        head: runs after the last stage.
        auxiliary: heads that run in training mode only.
        replaced: what surgery has replaced, a line for each module.
        enters_after_stages: whether `forward` takes the map after a stage in place of images.
        memory_format: of the weights and the images.
    """

    # `Any`, since what a part has besides depends on its class.
    stem: Any
    stages: Any
    head: Any
    auxiliary: Any
    replaced: Sequence[str] = ()
    enters_after_stages = False
    memory_format = torch.channels_last

    @abstractmethod
    def forward(self, x: Tensor, after: int | None = None) -> Output:
        """Map images (N, C, H, W) to logits; auxiliary heads run in training mode only.

        With `after`, x is the feature map after that stage instead of images.
        """

    def prefix(self, x: Tensor, after: int) -> Tensor:
        """Map images (N, C, H, W) to the map after stage `after`, if `enters_after_stages`."""
        raise NotImplementedError

    @property
    @abstractmethod
    def classifier(self) -> nn.Module:
        """The last layer with weights."""

    @property
    @abstractmethod
    def task_parts(self) -> tuple[str, ...]:
        """Prefixes of the weights that belong to the task: classifier and auxiliary heads."""

    @abstractmethod
    def stage_of(self, name: str) -> int:
        """Return the stage (from 1) of the layer `name`, 0 for the stem and −1 for the head."""

    @abstractmethod
    def maps(self, images: Tensor) -> dict[int, Tensor]:
        """Return the feature map (N, C, H, W) after each stage (from 1) that has one."""

    @abstractmethod
    def class_activation(self, images: Tensor, classes: Tensor) -> Tensor | None:
        """Return the class-activation maps (N, h, w) of images (N, C, H, W) for `classes` (N,).

        None if the head is such that the logits are no weighted sums of a feature map.
        """


def weight_layers(network: nn.Module, image: Tensor) -> list[tuple[str, nn.Module]]:
    """Return (name, module) of every convolution and linear layer, in forward order.

    Auxiliary heads are left out, as they don't run in evaluation mode. `image`: (1, C, H, W).
    """
    return [
        (name, module)
        for name, module in calls(network, image)
        if isinstance(module, nn.Conv2d | nn.Linear)
    ]


def calls(network: nn.Module, image: Tensor) -> list[tuple[str, nn.Module]]:
    """Return (name, module) of each module that evaluation mode runs, by when it first begins."""
    order: dict[nn.Module, str] = {}
    hooks = []
    for name, module in network.named_modules():
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


def own_tensors(module: nn.Module) -> list[Tensor]:
    """Return the parameters and buffers of a module itself, not of those within it."""
    return [*module.parameters(recurse=False), *module.buffers(recurse=False)]


def parameters_alone(module: nn.Module, others: Collection[nn.Module]) -> nn.Module | None:
    """Return a module that holds what `module` computes with itself, None if it has no weights.

    It is the module, unless some of `others`, which compute with their own weights, are within it.
    Then it holds the parameters of the module and of those within it that are none of `others`:
    PyTorch's attention, for one, uses the weights of a layer that it never calls.
    """
    if not any(m in others for m in module.modules() if m is not module):
        holds = own_tensors(module) or next(module.parameters(), None) is not None
        return module if holds else None
    held = nn.ParameterList(_parameters_without(module, others))
    return held if len(held) else None


def _parameters_without(module: nn.Module, others: Collection[nn.Module]) -> list[nn.Parameter]:
    parameters = list(module.parameters(recurse=False))
    for child in module.children():
        if child not in others:
            parameters += _parameters_without(child, others)
    return parameters


def _recorder(order: dict[nn.Module, str], name: str) -> Any:
    def record(module: nn.Module, _: object) -> None:
        order.setdefault(module, name)

    return record
