"""Networks as users write them, without a line for this project."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Small(nn.Module):
    """A convolution, a block, and a linear layer on the spatial mean."""

    def __init__(self, num_classes: int, in_channels: int = 3, width: int = 4) -> None:
        super().__init__()
        self.entry = nn.Conv2d(in_channels, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.first = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)
        )
        self.between = nn.Conv2d(width, 2 * width, 1)
        self.second = nn.ModuleList([nn.Conv2d(2 * width, 2 * width, 3, 2, 1), nn.ReLU()])
        self.fc = nn.Linear(2 * width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.between(self.first(self.norm(self.entry(x)).relu()))
        for layer in self.second:
            x = layer(x)
        return self.fc(x.mean((2, 3)))


class Silent(nn.Module):
    """A network whose forward was forgotten."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.fc = nn.Linear(3, num_classes)


class Flat(nn.Module):
    """Flattens by `view`, which a map in channels-last format does not take."""

    def __init__(self, n_classes: int, channels: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(channels, 4, 3, 2, 1), nn.ReLU(), nn.MaxPool2d(4))
        self.fc = nn.Linear(4 * (size[0] // 8) * (size[1] // 8), n_classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return self.fc(x.view(x.size(0), -1))


class Aided(NamedTuple):
    """What `Sided` returns in training mode."""

    early: Tensor
    logits: Tensor


class Sided(Small):
    """`Small` with an auxiliary classifier after its first block."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__(num_classes, in_channels)
        self.side = nn.Linear(4, num_classes)

    def forward(self, x: Tensor) -> Tensor | Aided:  # type: ignore[override]
        early = self.first(self.norm(self.entry(x)).relu())
        x = self.between(early)
        for layer in self.second:
            x = layer(x)
        logits = self.fc(x.mean((2, 3)))
        return Aided(self.side(early.mean((2, 3))), logits) if self.training else logits


class Tokens(nn.Module):
    """A transformer of patches: no feature map, weights of its own, attention."""

    def __init__(self, classes: int, in_channels: int, img_size: int) -> None:
        super().__init__()
        self.patches = nn.Conv2d(in_channels, 8, 8, 8)
        self.token = nn.Parameter(torch.zeros(1, 1, 8))
        self.encoder = nn.TransformerEncoder(
            nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), 2, enable_nested_tensor=False
        )
        self.position = nn.Parameter(torch.zeros(1, (img_size // 8) ** 2 + 1, 8))
        self.out = nn.Linear(8, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(len(x), -1, -1), x], 1) + self.position
        return self.out(self.encoder(x)[:, 0])


class Perceptron(nn.Module):
    """No convolution at all."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.hidden = nn.LazyLinear(8)
        self.out = nn.Linear(8, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.hidden(x.flatten(1)).relu())


def function(num_classes: int, depth: int = 2) -> nn.Module:
    """Return a network in a wrapper."""
    layers = [m for _ in range(depth) for m in (nn.LazyConv2d(4, 3, 2, 1), nn.ReLU())]
    return nn.Sequential(
        nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, num_classes))
    )


class WithFeatures(Small):
    """Returns features beside the logits, which are no auxiliary logits."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        return super().forward(x), self.entry(x).mean((2, 3))


class Deep(nn.Module):
    """Three stages, and an auxiliary classifier after the first."""

    def __init__(self, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.one = self.stage(in_channels, 4)
        self.two = self.stage(4, 8)
        self.three = self.stage(8, 8)
        self.side = nn.Linear(4, num_classes)
        self.fc = nn.Linear(8, num_classes)

    def stage(self, channels: int, width: int) -> nn.Sequential:
        conv = nn.Conv2d(channels, width, 3, 2, 1)
        return nn.Sequential(conv, nn.BatchNorm2d(width), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        early = self.one(x)
        logits = self.fc(self.three(self.two(early)).mean((2, 3)))
        return (logits, self.side(early.mean((2, 3)))) if self.training else logits
