"""The CIFAR ResNet of public checkpoints, by their names of weights, written without our parts."""

import torch
import torch.nn.functional as F
from torch import nn


class Block(nn.Module):
    """A residual block."""

    def __init__(self, channels, width, stride, projected):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.shortcut = nn.Sequential()
        self.pad = 0
        if stride > 1 and projected:
            self.shortcut = nn.Sequential(
                nn.Conv2d(channels, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )
        elif stride > 1:
            self.pad = (width - channels) // 2

    def forward(self, x):
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.pad:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.pad, self.pad))
        return F.relu(out + self.shortcut(x))


class CifarResNet(nn.Module):
    """The standard CIFAR ResNet of 6n + 2 layers."""

    def __init__(self, blocks, projected):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = self.layer(16, 16, blocks, 1, projected)
        self.layer2 = self.layer(16, 32, blocks, 2, projected)
        self.layer3 = self.layer(32, 64, blocks, 2, projected)
        self.linear = nn.Linear(64, 10)

    def layer(self, channels, width, blocks, stride, projected):
        first = Block(channels, width, stride, projected)
        return nn.Sequential(first, *[Block(width, width, 1, projected) for _ in range(blocks - 1)])

    def forward(self, x):
        x = F.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(F.adaptive_avg_pool2d(x, 1).flatten(1))


def lived_in(model):
    """Give running statistics, and all else that begins as a constant, values of their own."""
    generator = torch.Generator().manual_seed(0)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.running_mean, module.bias.data):
                tensor.normal_(0, 0.1, generator=generator)
            for tensor in (module.running_var, module.weight.data):
                tensor.uniform_(0.5, 1.5, generator=generator)
    return model.eval()
