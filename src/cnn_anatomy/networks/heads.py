"""Heads: map the last feature map (N, C, H, W) to logits (N, classes).

A head is built with (channels, size, classes), where `size` is (H, W). Its last layer with weights
is `classifier`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from cnn_anatomy.core.ranges import Count, Share, Size
from cnn_anatomy.networks.layers import ConvNormAct, Factory


class GlobalAverage(nn.Module):
    """Global average pooling, dropout, linear classifier (Lin et al. 2013, section 3.2)."""

    def __init__(
        self, channels: int, size: tuple[int, int], classes: int, dropout: Share = 0.0
    ) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout) if dropout else nn.Identity()
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return self.classifier(self.dropout(x.mean((2, 3))))

    def class_activation(self, x: Tensor, classes: Tensor) -> Tensor:
        """Return the class-activation maps (N, H, W) of x (N, C, H, W) for `classes` (N,).

        A map is the sum of the channels, weighted by the classifier's weights for the class (Zhou
        et al. 2016, equation 2).
        """
        return torch.einsum("nchw,nc->nhw", x, self.classifier.weight[classes].to(x.dtype))


class WidenedAverage(GlobalAverage):
    """1×1 convolution to `width` channels, norm and activation first (Sandler et al. 2018)."""

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        classes: int,
        *,
        norm: Factory,
        activation: Factory,
        width: Size = 1280,
        dropout: Share = 0.0,
    ) -> None:
        super().__init__(width, size, classes, dropout)
        self.widen = ConvNormAct(channels, width, 1, norm=norm, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return super().forward(self.widen(x))

    def class_activation(self, x: Tensor, classes: Tensor) -> Tensor:
        """Return the class-activation maps (N, H, W) of x (N, C, H, W) for `classes` (N,)."""
        return super().class_activation(self.widen(x), classes)


class NormedAverage(nn.Module):
    """Global average pooling, norm, linear classifier (Liu et al. 2022, table 9)."""

    def __init__(
        self, channels: int, size: tuple[int, int], classes: int, *, norm: Factory
    ) -> None:
        super().__init__()
        self.norm = norm(channels)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return self.classifier(self.norm(x.mean((2, 3), keepdim=True)).flatten(1))


class GlobalMax(GlobalAverage):
    """Global max pooling, then a linear classifier (Oquab et al. 2015)."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return self.classifier(self.dropout(x.amax((2, 3))))


class ClassMaps(nn.Module):
    """1×1 convolution to one map per class, then global average (Lin et al. 2013, section 3.2).

    A ReLU comes before the average, as in NIN and All-CNN.
    """

    def __init__(self, channels: int, size: tuple[int, int], classes: int) -> None:
        super().__init__()
        self.classifier = nn.Conv2d(channels, classes, 1)
        self.act = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return self.act(self.classifier(x)).mean((2, 3))


class ConnectedMaps(nn.Module):
    """Class maps as in `ClassMaps`, then a linear classifier (Lin et al. 2013, section 4.6)."""

    def __init__(
        self, channels: int, size: tuple[int, int], classes: int, dropout: Share = 0.0
    ) -> None:
        super().__init__()
        self.maps = nn.Sequential(
            nn.Conv2d(channels, classes, 1), nn.ReLU(), nn.Flatten(), nn.Dropout(dropout)
        )
        self.classifier = nn.Linear(classes * size[0] * size[1], classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return self.classifier(self.maps(x))


class Flatten(nn.Module):
    """Flattening, hidden layers with ReLU and dropout, then a linear classifier.

    `hidden` is the width of one hidden layer (0 for none), or a list of widths.
    """

    def __init__(
        self,
        channels: int,
        size: tuple[int, int],
        classes: int,
        hidden: Count | Sequence[Size] = 0,
        dropout: Share = 0.0,
    ) -> None:
        super().__init__()
        features = channels * size[0] * size[1]
        widths = ([hidden] if hidden else []) if isinstance(hidden, int) else hidden
        layers: list[nn.Module] = []
        for width in widths:
            layers += [nn.Linear(features, width), nn.ReLU(), nn.Dropout(dropout)]
            features = width
        self.hidden = nn.Sequential(*layers)
        self.classifier = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return self.classifier(self.hidden(torch.flatten(x, 1)))
