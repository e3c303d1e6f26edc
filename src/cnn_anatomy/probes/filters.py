"""Whether the first layer's filters are edge detectors."""

from __future__ import annotations

from math import pi

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from cnn_anatomy.networks.interface import weight_layers
from cnn_anatomy.probes.evaluation import EvaluationProbe, tested_batches
from cnn_anatomy.training.classifier import Classifier

FREQUENCY = 0.25  # cycles per pixel: a bar is two pixels wide
WIDEST = 5  # pixels: wider kernels may detect edges to which such gratings say nothing
ORIENTATIONS = 16


class FilterProbe(EvaluationProbe):
    """Measures how much the first convolution's filters prefer one orientation.

    `filters/orientation` is the mean over filters of `selectivity`: 0 for filters that respond to
    gratings of every orientation alike, towards 1 for those that respond to one orientation only.
    Random filters have a value, too, which falls with the number of input channels: compare
    networks of the same images. Logs nothing if the first weight layer is no convolution, or its
    kernels are of 1×1 or wider than `WIDEST` pixels.
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
        return {"filters/orientation": selectivity(weight).mean().item()}


def selectivity(weight: Tensor) -> Tensor:
    """Return the orientation selectivity (O,) of filters (O, I, h, w), between 0 and 1.

    It is one minus the circular variance of the response's amplitude over orientations (Ringach,
    Shapley & Hawken 2002), |Σ R(θ) e^{2iθ}| ÷ Σ R(θ), to gratings of `FREQUENCY`; amplitudes of the
    input channels are combined by their root of squares. 0 for a filter of zeros.
    """
    weight = weight.detach().double()
    height, width = weight.shape[-2:]
    y = torch.arange(height, device=weight.device)[:, None] - (height - 1) / 2
    x = torch.arange(width, device=weight.device) - (width - 1) / 2
    angles = torch.arange(ORIENTATIONS, device=weight.device).double() * pi / ORIENTATIONS
    along = angles.cos()[:, None, None] * x + angles.sin()[:, None, None] * y
    gratings = torch.polar(torch.ones_like(along), 2 * pi * FREQUENCY * along)
    responses = torch.einsum("oihw,ahw->oia", weight.to(gratings.dtype), gratings)
    amplitudes = responses.abs().square().sum(1).sqrt()
    resultant = (amplitudes * torch.polar(torch.ones_like(angles), 2 * angles)).sum(1).abs()
    return resultant / amplitudes.sum(1).clamp_min(1e-30)
