"""The last features: how well they separate classes, and whether they locate the object."""

from __future__ import annotations

import lightning.pytorch as pl
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_anatomy.core.ranges import Positive, Size
from cnn_anatomy.data import ImageSet
from cnn_anatomy.probes.evaluation import EvaluationProbe, artifacts, tested_batches, tested_images
from cnn_anatomy.probes.hooks import inputs_collected
from cnn_anatomy.training.classifier import Classifier

PATCH = 7  # pixels


class FeatureProbe(EvaluationProbe):
    """Measures the classifier's input vector and the last feature map.

    | metric | meaning |
    |---|---|
    | `features/fisher` | trace of scatter between classes ÷ trace within (Fisher 1936) |
    | `cam/peak_in_box` | share of correctly classified images whose map peaks in the box |
    | `cam/centre_in_box` | share of these images whose centre is in the box |
    | `cam/brightest_in_box` | share of these whose brightest patch, `PATCH` pixels wide, is |
    | `cam/peak_excess` | `cam/peak_in_box` − the larger of the two, which need no network |
    | `input_sizes/accepted` | how many sizes of `factors` × the image's side give logits |

    Class-activation maps are those of Zhou et al. 2016, section 2. The `cam/` metrics need boxes
    and a head with such maps. The artifact `cam.npz` has `samples` images with their maps.
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
        batches = list(tested_batches(trainer))
        with inputs_collected(network.classifier) as vectors:
            predictions = [module(images).argmax(1) for images, _ in batches]
        labels = torch.cat([batch_labels for _, batch_labels in batches])
        metrics = {
            "features/fisher": fisher(torch.cat(vectors), labels),
            "input_sizes/accepted": float(self._accepted(module, batches[0][0][:1])),
        }
        images = tested_images(trainer)
        if images.boxes is None:
            return metrics
        by_batch = [
            network.class_activation(batch, classes)
            for (batch, _), classes in zip(batches, predictions, strict=True)
        ]
        drawn = [maps for maps in by_batch if maps is not None]
        if len(drawn) < len(by_batch):
            return metrics
        maps = torch.cat(drawn).float()
        self._save_maps(trainer, images, maps, torch.cat(predictions))
        return metrics | peak_metrics(maps, images, torch.cat(predictions) == labels)

    def _save_maps(
        self, trainer: pl.Trainer, images: ImageSet, maps: Tensor, predictions: Tensor
    ) -> None:
        assert images.boxes is not None
        with artifacts(trainer) as folder:
            np.savez(
                folder / "cam.npz",
                images=images.images[: self.samples].numpy(),
                cams=maps[: self.samples].cpu().numpy(),
                boxes=images.boxes[: self.samples].numpy(),
                labels=images.labels[: self.samples].numpy(),
                predictions=predictions[: self.samples].cpu().numpy(),
            )

    def _accepted(self, module: pl.LightningModule, image: Tensor) -> int:
        """Return the number of sizes at which `image` (1, C, H, W) gives logits."""
        count = 0
        for factor in self.factors:
            size = [round(s * factor) for s in image.shape[-2:]]
            try:
                module(torch.nn.functional.interpolate(image, size))
            except (RuntimeError, AssertionError):  # for a shape that a layer doesn't take
                continue
            count += 1
        return count


def peak_metrics(maps: Tensor, images: ImageSet, right: Tensor) -> dict[str, float]:
    """Return the `cam/` metrics of maps (N, h, w); `right` (N,) marks correct predictions."""
    boxes = images.boxes
    assert boxes is not None
    height, width = images.images.shape[-2:]
    inside = peak_in_box(maps, boxes.to(maps.device), (height, width))
    brightness = images.images.float().mean(1)
    patches = F.avg_pool2d(brightness, PATCH, stride=1, padding=PATCH // 2)
    centre = torch.zeros_like(brightness)
    centre[:, height // 2, width // 2] = 1
    found = {
        "cam/peak_in_box": inside.cpu(),
        "cam/centre_in_box": peak_in_box(centre, boxes, (height, width)),
        "cam/brightest_in_box": peak_in_box(patches, boxes, (height, width)),
    }
    shares = {name: hits[right.cpu()].float().mean().item() for name, hits in found.items()}
    peak, *trivial = shares.values()
    return shares | {"cam/peak_excess": peak - max(trivial)}


def fisher(vectors: Tensor, labels: Tensor) -> float:
    """Return tr(S_between) / tr(S_within) of vectors (N, D) with labels (N,)."""
    vectors = vectors.double()
    mean = vectors.mean(0)
    between = within = 0.0
    for label in labels.unique():
        members = vectors[labels == label]
        centre = members.mean(0)
        between += len(members) * (centre - mean).square().sum().item()
        within += (members - centre).square().sum().item()
    return between / within if within else float("inf")


def peak_in_box(maps: Tensor, boxes: Tensor, size: tuple[int, int]) -> Tensor:
    """Return (N,) whether the centre of the largest cell of a map (N, h, w) is in its box (N, 4).

    Boxes are in pixels of images of `size` (H, W).
    """
    n, h, w = maps.shape
    peak = maps.reshape(n, -1).argmax(1)
    y = (peak // w + 0.5) * size[0] / h
    x = (peak % w + 0.5) * size[1] / w
    x0, y0, x1, y1 = boxes.unbind(1)
    return (x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)
