"""Dilates convolutions in place of pooling, so that the receptive field grows all the same."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnn_anatomy.networks.pooling import Dilated

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
    for conv, side in whole.items():
        factor = round(side / pooled[conv]) if conv.kernel_size != (1, 1) else 1
        conv.dilation = (factor, factor)
        conv.padding = tuple(factor * int(p) for p in conv.padding)


def _input_sides(layers: nn.Sequential, channels: int) -> dict[nn.Conv2d, int]:
    """Return the side in pixels of the input of every convolution."""
    sides: dict[nn.Conv2d, int] = {}

    def note(conv: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        assert isinstance(conv, nn.Conv2d)
        sides[conv] = inputs[0].shape[-1]

    convs = [module for module in layers.modules() if isinstance(module, nn.Conv2d)]
    hooks = [conv.register_forward_pre_hook(note) for conv in convs]
    with torch.no_grad():
        layers.eval()(torch.zeros(1, channels, SIDE, SIDE))
    layers.train()
    for hook in hooks:
        hook.remove()
    return sides
