"""The cost of a network: parameters and multiply-adds."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cnn_anatomy.networks.interface import Network


def macs(network: Network, image: Tensor) -> int:
    """Return the multiply-adds of the forward pass of `image` (1, C, H, W): half its FLOPs."""
    training = network.training
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network.eval()(image)
    network.train(training)
    return counter.get_total_flops() // 2


def parameter_count(module: nn.Module, among: set[nn.Parameter] | None = None) -> int:
    """Return the number of scalar parameters; with `among`, only of parameters in this set."""
    return sum(p.numel() for p in module.parameters() if among is None or p in among)
