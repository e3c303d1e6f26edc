"""Whether the first layer's filters are edge detectors."""

from __future__ import annotations

from math import pi

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from cnn_anatomy.networks.interface import weight_layers
from cnn_anatomy.probes.evaluation import EvaluationProbe, tested_batches
from cnn_anatomy.training.classifier import Classifier

WIDEST = 5  # pixels: in wider kernels, edges may be narrower than the kernel
ORIENTATIONS = 16
STEP = 0.5  # pixels between two places of an edge
SMALLEST_SIDE = 0.29  # as a share of the kernel's area; a row of three is a third


class FilterProbe(EvaluationProbe):
    """Measures how much the first convolution's filters are like step edges.

    `filters/edges` is the mean over filters of `edge_likeness`: 1 for filters that are step edges.
    Random filters have a value, too, which depends on the size of kernels and on the number of
    channels: compare networks of the same first layer. Logs nothing if the first weight layer is no
    convolution, or its kernels are of 1×1 or wider than `WIDEST` pixels.
    """

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Measure the selected weights."""
        assert isinstance(module, Classifier)
        images, _ = next(tested_batches(trainer))
        layers = weight_layers(module.network, images[:1])
        if not layers or not isinstance(layers[0][1], nn.Conv2d):
            return {}
        weight = layers[0][1].weight
        if not 1 < max(weight.shape[-2:]) <= WIDEST:
            return {}
        return {"filters/edges": edge_likeness(weight).mean().item()}


def edge_likeness(weight: Tensor) -> Tensor:
    """Return how like a step edge each of the filters (O, I, h, w) is (O,), between 0 and 1.

    It is the largest part of a filter, as a share of its norm, that an edge of any orientation and
    place explains, with a contrast of its own in each input channel: for one channel the absolute
    cosine of both. Means over the kernel are removed before. 0 for a filter without contrast.
    """
    weight = weight.detach().double()
    edges = step_edges(*weight.shape[-2:]).to(weight.device).flatten(1)
    filters = weight.flatten(2)
    filters = filters - filters.mean(2, keepdim=True)
    explained = (filters @ edges.T).square().sum(1).amax(1).sqrt()
    return explained / filters.square().sum((1, 2)).sqrt().clamp_min(1e-30)


def step_edges(height: int, width: int) -> Tensor:
    """Return step edges (K, height, width) of ORIENTATIONS and many places, of mean 0 and norm 1.

    A pixel through which the edge goes has a value between those of its two sides, each of which
    has SMALLEST_SIDE of the kernel, so that a spot in a corner is no edge.
    """
    y = torch.arange(height).double()[:, None] - (height - 1) / 2
    x = torch.arange(width).double() - (width - 1) / 2
    angles = torch.arange(ORIENTATIONS).double()[:, None, None] * pi / ORIENTATIONS
    along = angles.cos() * x + angles.sin() * y
    reach = (height + width) / 2
    places = torch.arange(-reach, reach + STEP, STEP).double()
    edges = (along[:, None] - places[:, None, None] + 0.5).clamp(0, 1).flatten(0, 1)
    sides = edges.mean((1, 2))  # the share of the kernel on one side
    smaller = torch.minimum(sides, 1 - sides)
    edges = edges[smaller > SMALLEST_SIDE] - sides[smaller > SMALLEST_SIDE, None, None]
    return edges / edges.square().sum((1, 2), keepdim=True).sqrt()
