"""Weight initialisation: a function that is called with each module of a network."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn

from cnn_anatomy.core.ranges import NonNegative


def he(module: nn.Module) -> None:
    """Normal with variance 2 / fan-out for convolutions (He et al. 2015b), zero biases."""
    if isinstance(module, nn.Conv2d):
        fill = partial(nn.init.kaiming_normal_, mode="fan_out", nonlinearity="relu")
        _fill_groups(module, fill)
    _finish(module)


def xavier(module: nn.Module) -> None:
    """Uniform with variance 2 / (fan-in + fan-out) (Glorot & Bengio 2010), zero biases."""
    if isinstance(module, nn.Conv2d):
        _fill_groups(module, nn.init.xavier_uniform_)
    _finish(module)


def small(module: nn.Module, std: NonNegative = 0.01) -> None:
    """Normal with a fixed standard deviation `std` (Krizhevsky et al. 2012)."""
    if isinstance(module, nn.Conv2d | nn.Linear):
        nn.init.normal_(module.weight, std=std)
    _finish(module)


def _fill_groups(conv: nn.Conv2d, fill: Callable[[Tensor], Tensor]) -> None:
    """Fill the weights of each group by themselves, as PyTorch takes all groups for the fan-out."""
    for weights in conv.weight.detach().chunk(conv.groups):
        fill(weights)


def _finish(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.Linear) and module.bias is not None:
        nn.init.zeros_(module.bias)


def default(module: nn.Module) -> None:
    """Keep PyTorch's initialisation: uniform within ±1/√fan-in (cf. LeCun et al. 1998)."""
