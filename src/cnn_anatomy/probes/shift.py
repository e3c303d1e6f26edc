"""Shift consistency: does a prediction survive a translation?"""

from __future__ import annotations

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_anatomy.data.augment import RandomCropFlip


class ShiftProbe(pl.Callback):
    """Compares the predictions on two random translations of each test image.

    After Zhang 2019, section 4.1: the image is reflected outwards by `reach` pixels and cropped
    twice to its own size, at two places drawn uniformly and independently.
    `consistency/shift` = P[argmax f(crop₀) = argmax f(crop₁)];
    `consistency/shift_given_correct` = the same among images whose crop₀ was classified rightly.
    The draws are the same for every network.
    """

    def __init__(self, reach: int = 4) -> None:
        self.reach = reach

    @torch.no_grad()
    def on_test_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure on the first test loader and log."""
        loaders = trainer.test_dataloaders or []
        generator = torch.Generator().manual_seed(0)
        agree, right = [], []
        with trainer.precision_plugin.test_step_context():
            for images, labels in loaders[0]:
                first, second = (
                    module(self.translate(images, generator)).argmax(1) for _ in range(2)
                )
                agree.append(first == second)
                right.append(first == labels)
        agreed, correct = torch.cat(agree).float(), torch.cat(right).float()
        module.log("consistency/shift", agreed.mean())
        given = (agreed * correct).sum() / correct.sum().clamp_min(1)
        module.log("consistency/shift_given_correct", given)

    def translate(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Shift each image (N, C, H, W) by up to `reach` pixels either way, edges reflected."""
        reach = min(self.reach, min(images.shape[-2:]) - 1)
        padded = F.pad(images, [reach] * 4, mode="reflect")
        shifted = RandomCropFlip(reach, flip=False)(padded, generator)
        return shifted[:, :, reach:-reach, reach:-reach]
