"""Freezing: which leading part of a network is not trained.

A freezing is called with a network and an image (1, C, H, W) and returns the modules to freeze. A
frozen module keeps its weights and its running statistics until it is thawed, if it ever is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated

from annotated_types import Gt, Le
from torch import Tensor, nn

from cnn_anatomy.config.constraints import check_range
from cnn_anatomy.core.ranges import Count
from cnn_anatomy.networks.interface import Network, calls, parameters_alone, weight_layers


class Freezing(ABC):
    """Base of all freezings: what is frozen, and when it thaws."""

    @abstractmethod
    def __call__(self, network: Network, image: Tensor) -> list[nn.Module]:
        """Return the modules that are frozen when training begins."""

    def thaws(self, network: Network) -> list[tuple[float, nn.Module]]:
        """Return (share of training, module) for each module that thaws then; 0 ≤ share ≤ 1."""
        return []


class NoFreezing(Freezing):
    """Train everything."""

    def __call__(self, network: Network, image: Tensor) -> list[nn.Module]:
        """Return no module."""
        return []


class Layers(Freezing):
    """Freeze the first `layers` weight layers in forward order and the norms that follow them.

    Raises:
        ConfigError: if the network has fewer weight layers before its classifier.
    """

    def __init__(self, layers: Count) -> None:
        self.layers = layers

    def __call__(self, network: Network, image: Tensor) -> list[nn.Module]:
        """Return the modules that run before weight layer number `layers` + 1."""
        return leading(network, image, self.layers, key="freeze.layers")


class Stages(Freezing):
    """Freeze the stem and the first `stages` stages.

    Raises:
        ConfigError: if the network has fewer stages.
    """

    def __init__(self, stages: Count) -> None:
        self.stages = stages

    def __call__(self, network: Network, image: Tensor) -> list[nn.Module]:
        """Return the stem and the stages."""
        check_range("freeze.stages", self.stages, len(network.stages), "stages")
        return [network.stem, *network.stages[: self.stages]] if self.stages else []


class FeatureExtraction(Freezing):
    """Freeze all but the classifier."""

    def __call__(self, network: Network, image: Tensor) -> list[nn.Module]:
        """Return every module with weights but the classifier."""
        return [w for m, w in weighted(network, image) if m is not network.classifier]


class Gradual(Freezing):
    """Train only the head at first, then thaw one stage after another, from last to first.

    Stages thaw at equal intervals; the stem thaws last, at the share `until` of training. Howard &
    Ruder 2018, section 3.3, thaw one layer per epoch.
    """

    def __init__(self, until: Annotated[float, Gt(0), Le(1)]) -> None:
        self.until = until

    def __call__(self, network: Network, image: Tensor) -> list[nn.Module]:
        """Return the stem and every stage."""
        return [network.stem, *network.stages]

    def thaws(self, network: Network) -> list[tuple[float, nn.Module]]:
        """Return every stage from the last to the first, then the stem."""
        parts = [*reversed(network.stages), network.stem]
        return [(self.until * k / len(parts), part) for k, part in enumerate(parts, 1)]


def leading(network: Network, image: Tensor, layers: int, *, key: str) -> list[nn.Module]:
    """Return the first `layers` weight layers in forward order and the norms that follow them.

    Raises:
        ConfigError: naming `key`, if the network has fewer before its classifier.
    """
    last = len(weight_layers(network, image)) - 1
    check_range(key, layers, last, "weight layers before its classifier")
    if layers == 0:
        return []
    count, modules = 0, []
    for module, weights in weighted(network, image):
        count += isinstance(module, nn.Conv2d | nn.Linear)
        if count > layers:
            break
        modules.append(weights)
    return modules


def weighted(network: Network, image: Tensor) -> list[tuple[nn.Module, nn.Module]]:
    """Return (module, holder of its own weights) of all modules with weights, in forward order.

    Auxiliary heads are left out, as they don't run in evaluation mode. `image`: (1, C, H, W).
    """
    order = [module for _, module in calls(network, image)]
    others = {*order, *network.auxiliary.modules()}
    pairs = [(module, parameters_alone(module, others)) for module in order]
    return [(module, weights) for module, weights in pairs if weights is not None]


def freeze(modules: list[nn.Module]) -> None:
    """Freeze the weights (no gradient) and running statistics (evaluation mode) of `modules`."""
    for module in modules:
        module.eval()
        module.requires_grad_(False)


def thaw(module: nn.Module) -> None:
    """Train `module` again, its running statistics included."""
    module.train()
    module.requires_grad_(True)
