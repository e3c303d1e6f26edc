"""What the last features are like: do they separate the classes, and do they see the object?"""

from __future__ import annotations

import lightning.pytorch as pl
import numpy as np
import torch
from torch import Tensor

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.ranges import Positive, Size
from cnn_anatomy.probes.evaluation import EvaluationProbe, artifacts, tested_batches, tested_images
from cnn_anatomy.training.classifier import Classifier


class FeatureProbe(EvaluationProbe):
    """Looks at the vector that the classifier gets and at the last feature map.

    | metric | meaning |
    |---|---|
    | `features/fisher` | trace of the scatter between classes ÷ that within (Fisher 1936) |
    | `cam/peak_in_box` | share of rightly classified images whose map peaks in the object's box |
    | `cam/peak_excess` | that, less the share of the image that the boxes cover |
    | `input_sizes/accepted` | of `factors` × the image's side, how many the network classifies |

    Class-activation maps are those of Zhou et al. 2016, section 2; they need boxes and a head that
    has them. The artifact `cam.npz` holds `samples` images with their maps.
    """

    def __init__(
        self, samples: Size = 6, factors: tuple[Positive, ...] = (0.75, 1, 1.5, 2)
    ) -> None:
        self.samples = samples
        self.factors = factors

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Measure on the test images."""
        assert isinstance(module, Classifier)
        network = module.network
        vectors: list[Tensor] = []
        keep = network.head.classifier.register_forward_pre_hook(
            lambda _, inputs: vectors.append(inputs[0].float())
        )
        batches = list(tested_batches(trainer))
        predicted = torch.cat([module(images).argmax(1) for images, _ in batches])
        keep.remove()
        labels = torch.cat([each for _, each in batches])
        metrics = {
            "features/fisher": fisher(torch.cat(vectors), labels),
            "input_sizes/accepted": float(self._accepted(module, batches[0][0][:1])),
        }
        boxes = tested_images(trainer).boxes
        if boxes is None or not hasattr(network.head, "class_activation"):
            return metrics
        maps = torch.cat(
            [
                network.head.class_activation(network.features(images), classes)
                for (images, _), classes in zip(
                    batches, predicted.split([len(y) for _, y in batches]), strict=True
                )
            ]
        ).float()
        height, width = batches[0][0].shape[-2:]
        inside = peak_in_box(maps, boxes.to(maps.device), (height, width))
        right = predicted == labels
        covered = ((boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])).float()
        metrics["cam/peak_in_box"] = inside[right].float().mean().item()
        metrics["cam/peak_excess"] = metrics["cam/peak_in_box"] - covered[
            right.cpu()
        ].mean().item() / (height * width)
        chosen = slice(self.samples)
        with artifacts(trainer) as folder:
            np.savez(
                folder / "cam.npz",
                images=tested_images(trainer).images[chosen].numpy(),
                cams=maps[chosen].cpu().numpy(),
                boxes=boxes[chosen].numpy(),
                labels=labels[chosen].cpu().numpy(),
                predictions=predicted[chosen].cpu().numpy(),
            )
        return metrics

    def _accepted(self, module: pl.LightningModule, image: Tensor) -> int:
        """Return how many sizes give logits."""
        count = 0
        for factor in self.factors:
            size = [round(s * factor) for s in image.shape[-2:]]
            try:
                module(torch.nn.functional.interpolate(image, size))
            except (RuntimeError, ConfigError):
                continue
            count += 1
        return count


def fisher(vectors: Tensor, labels: Tensor) -> float:
    """Return tr(S_between) / tr(S_within) of vectors (N, D) with labels (N,)."""
    vectors = vectors.double()
    mean = vectors.mean(0)
    between = within = 0.0
    for label in labels.unique():
        mine = vectors[labels == label]
        centre = mine.mean(0)
        between += len(mine) * (centre - mean).square().sum().item()
        within += (mine - centre).square().sum().item()
    return between / within if within else float("inf")


def peak_in_box(maps: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return whether the centre of each map's (N, h, w) largest cell lies in its box (N, 4).

    `size` is the (H, W) of the images, in whose pixels the boxes are.
    """
    n, h, w = maps.shape
    peak = maps.reshape(n, -1).argmax(1)
    y = (peak // w + 0.5) * size[0] / h
    x = (peak % w + 0.5) * size[1] / w
    x0, y0, x1, y1 = boxes.unbind(1)
    return (x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)
