"""Dilates convolutions in place of pooling, so that the receptive field grows all the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnn_anatomy.networks.pooling import Dilated

Windowed = nn.Conv2d | nn.ZeroPad2d
SIDE = 256  # pixels of the image that is followed through the network: 2⁸, for up to eight halvings


def dilate(layers: nn.Sequential, channels: int) -> None:
    """Dilate every convolution by the factor by which `Dilated` before it would have pooled.

    So it sees what it would see behind poolings, at the full resolution (Yu & Koltun 2016,
    section 2; Yu, Koltun & Funkhouser 2017, section 2). The factor is measured: the side of the
    convolution's input, divided by the side behind poolings that keep every second pixel.

    Args:
        layers: stem and stages, which are changed in place.
        channels: of the images.
    """
    pools = [module for module in layers.modules() if isinstance(module, Dilated)]
    if not pools:
        return
    whole = _input_sides(layers, channels)
    for pool in pools:
        pool.subsamples = True
    pooled = _input_sides(layers, channels)
    for pool in pools:
        pool.subsamples = False
    for layer, side in whole.items():
        factor = round(side / pooled[layer])
        layer.padding = tuple(factor * int(p) for p in layer.padding)
        if isinstance(layer, nn.Conv2d) and layer.kernel_size != (1, 1):
            layer.dilation = (factor, factor)


def _input_sides(layers: nn.Sequential, channels: int) -> dict[Windowed, int]:
    """Return the side in pixels of the input of every convolution, and of every padding."""
    sides: dict[Windowed, int] = {}

    def note(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(module, Windowed)
        sides[module] = inputs[0].shape[-1]

    found = [module for module in layers.modules() if isinstance(module, Windowed)]
    hooks = [module.register_forward_pre_hook(note) for module in found]
    with torch.no_grad():
        layers.eval()(torch.zeros(1, channels, SIDE, SIDE))
    layers.train()
    for hook in hooks:
        hook.remove()
    return sides
