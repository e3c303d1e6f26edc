"""Heads: from the last feature map (N, C, H, W) to the logits (N, classes).

Every class is built with (channels, size, classes), `size` being (H, W).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


class GlobalAverage(nn.Module):
    """Mean over space, then a linear classifier (Lin et al. 2013, section 3.2)."""

    def __init__(self, channels: int, size: tuple[int, int], classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return self.classifier(x.mean((2, 3)))

    def class_activation(self, x: Tensor, classes: Tensor) -> Tensor:
        """Return what each position of x (N, C, H, W) says for `classes` (N,): maps (N, H, W).

        The classifier's weights of the class, times the features (Zhou et al. 2016, equation 2).
        """
        return torch.einsum("nchw,nc->nhw", x, self.classifier.weight[classes].to(x.dtype))


class GlobalMax(GlobalAverage):
    """Maximum over space, then a linear classifier (Oquab et al. 2015)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return self.classifier(x.amax((2, 3)))


class Flatten(nn.Module):
    """Fully connected: all positions flattened, `hidden` layers with dropout, the classifier."""

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        classes: int,
        hidden: int = 0,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        features = channels * size[0] * size[1]
        self.hidden = (
            nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(dropout))
            if hidden
            else nn.Identity()
        )
        self.classifier = nn.Linear(hidden or features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return self.classifier(self.hidden(torch.flatten(x, 1)))
