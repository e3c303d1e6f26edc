"""The modules of torchvision's networks, grouped into stem, stages, head and auxiliary heads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch.nn.functional as F
from torch import Tensor, nn

from cnn_anatomy.networks.adaptive_average import AdaptiveAverage


class BackboneHead(nn.Module):
    """The head of torchvision's model: the modules `before` its last layer, then `classifier`."""

    def __init__(self, before: Sequence[nn.Module], classifier: nn.Linear) -> None:
        super().__init__()
        self.before = nn.Sequential(*before)
        self.classifier = classifier

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        return self.classifier(self.before(x))


class GoogLeNetAuxiliary(nn.Module):
    """The layers of torchvision's `InceptionAux`; their average is deterministic on GPUs, too."""

    def __init__(self, head: Any) -> None:
        super().__init__()
        self.average = AdaptiveAverage((4, 4))
        self.conv = head.conv
        self.fc1 = head.fc1
        self.fc2 = head.fc2
        self.dropout = head.dropout

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, classes)."""
        x = self.conv(self.average(x)).flatten(1)
        return self.fc2(self.dropout(F.relu(self.fc1(x), inplace=True)))


@dataclass(frozen=True)
class Parts:
    """The modules of a torchvision model; `auxiliary` by the number (from 1) of the stage."""

    stem: list[nn.Module]
    stages: list[list[nn.Module]]
    before: list[nn.Module]
    classifier: nn.Linear
    auxiliary: dict[int, nn.Module]


def _average(*more: nn.Module) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), *more]


def resnet_parts(m: Any) -> Parts:
    """Four stages of residual blocks (He et al. 2015)."""
    stages = [[m.layer1], [m.layer2], [m.layer3], [m.layer4]]
    return Parts([m.conv1, m.bn1, m.relu, m.maxpool], stages, _average(), m.fc, {})


def googlenet_parts(m: Any) -> Parts:
    """Five stages, which end after modules 3b, 4a, 4d, 4e and 5b (Szegedy et al. 2014)."""
    stages = [
        [m.inception3a, m.inception3b],
        [m.maxpool3, m.inception4a],
        [m.inception4b, m.inception4c, m.inception4d],
        [m.inception4e],
        [m.maxpool4, m.inception5a, m.inception5b],
    ]
    stem = [m.conv1, m.maxpool1, m.conv2, m.conv3, m.maxpool2]
    heads = {2: m.aux1, 3: m.aux2} if m.aux_logits else {}
    auxiliary: dict[int, nn.Module] = {k: GoogLeNetAuxiliary(head) for k, head in heads.items()}
    return Parts(stem, stages, _average(m.dropout), m.fc, auxiliary)


def inception_v3_parts(m: Any) -> Parts:
    """Three stages, one for each resolution (Szegedy et al. 2015)."""
    stem = [m.Conv2d_1a_3x3, m.Conv2d_2a_3x3, m.Conv2d_2b_3x3, m.maxpool1]
    stem += [m.Conv2d_3b_1x1, m.Conv2d_4a_3x3, m.maxpool2]
    stages = [
        [m.Mixed_5b, m.Mixed_5c, m.Mixed_5d],
        [m.Mixed_6a, m.Mixed_6b, m.Mixed_6c, m.Mixed_6d, m.Mixed_6e],
        [m.Mixed_7a, m.Mixed_7b, m.Mixed_7c],
    ]
    auxiliary = {2: m.AuxLogits} if m.aux_logits else {}
    return Parts(stem, stages, _average(m.dropout), m.fc, auxiliary)


def vgg_parts(m: Any) -> Parts:
    """A stage for each max pooling, which ends it (Simonyan & Zisserman 2014)."""
    stages: list[list[nn.Module]] = [[]]
    for layer in m.features:
        stages[-1].append(layer)
        if isinstance(layer, nn.MaxPool2d):
            stages.append([])
    before = [m.avgpool, nn.Flatten(), *m.classifier[:-1]]
    return Parts([], stages[:-1], before, m.classifier[-1], {})


def densenet_parts(m: Any) -> Parts:
    """A stage for each dense block, with the transition after it (Huang et al. 2017)."""
    f = m.features
    stages = [
        [f.denseblock1, f.transition1],
        [f.denseblock2, f.transition2],
        [f.denseblock3, f.transition3],
        [f.denseblock4, f.norm5, nn.ReLU()],
    ]
    return Parts([f.conv0, f.norm0, f.relu0, f.pool0], stages, _average(), m.classifier, {})
