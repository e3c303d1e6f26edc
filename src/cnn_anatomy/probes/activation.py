"""Where a network responds: inside or outside the object's box."""

from __future__ import annotations

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_anatomy.probes.evaluation import EvaluationProbe, tested_batches, tested_images
from cnn_anatomy.training.classifier import Classifier


class ActivationProbe(EvaluationProbe):
    """Compares the responses inside and outside the object's box, after every stage.

    The response is the mean of |activation| over channels. A cell counts as inside by the share of
    its area that the box covers. `activation/contrast` is the mean over test images of
    (inside − outside) / (inside + outside) after the last stage, between −1 and 1;
    `activation/contrast_stage_<k>` is the same after stage k. Logs nothing if images have no boxes,
    and nothing of a stage that returns no feature map.
    """

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Measure on the test images."""
        assert isinstance(module, Classifier)
        means = stage_contrasts(trainer, module)
        stages = {f"activation/contrast_stage_{k}": mean for k, mean in means.items()}
        return {**stages, "activation/contrast": means[max(means)]} if means else {}


def stage_contrasts(trainer: pl.Trainer, module: Classifier) -> dict[int, float]:
    """Return the mean contrast on the test images by stage; none if these have no boxes."""
    boxes = tested_images(trainer).boxes
    if boxes is None:
        return {}
    contrasts: dict[int, list[Tensor]] = {}
    start = 0
    for images, _ in tested_batches(trainer):
        mask = covered(boxes[start : start + len(images)], images.shape[-2:]).to(images.device)
        start += len(images)
        for k, x in module.network.maps(images).items():
            response = x.float().abs().mean(1)
            contrasts.setdefault(k, []).append(contrast(response, mask))
    return {k: torch.cat(values).mean().item() for k, values in contrasts.items()}


def covered(boxes: Tensor, size: torch.Size) -> Tensor:
    """Return masks (N, 1, H, W) of boxes (N, 4): 1 inside, 0 outside; `size` is (H, W)."""
    y, x = torch.arange(size[0])[:, None], torch.arange(size[1])
    x0, y0, x1, y1 = boxes[:, :, None, None].unbind(1)
    return ((x0 <= x) & (x < x1) & (y0 <= y) & (y < y1)).float()[:, None]


def contrast(response: Tensor, mask: Tensor) -> Tensor:
    """Return (inside − outside) / (inside + outside) of maps (N, h, w) and masks (N, 1, H, W)."""
    height, width = response.shape[-2:]
    share = F.adaptive_avg_pool2d(mask, (height, width))[:, 0]
    inside = (response * share).sum((1, 2)) / share.sum((1, 2)).clamp_min(1e-6)
    outside = (response * (1 - share)).sum((1, 2)) / (1 - share).sum((1, 2)).clamp_min(1e-6)
    return (inside - outside) / (inside + outside).clamp_min(1e-12)
