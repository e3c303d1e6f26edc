"""Shift consistency: how often a translation leaves the prediction unchanged."""

from __future__ import annotations

import lightning.pytorch as pl
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_anatomy.core.ranges import Size
from cnn_anatomy.data.augment import RandomCropFlip
from cnn_anatomy.probes.evaluation import EvaluationProbe, artifacts, tested_batches

LOGGED = 2  # shifts of the curve, from one pixel on, that are metrics


class ShiftProbe(EvaluationProbe):
    """Compares the predictions on two random translations of each test image.

    After Zhang 2019, section 4.1: the image is padded by `reach` pixels with reflected edges and
    cropped twice to its size, at places drawn uniformly and independently.
    `consistency/shift` = P[argmax f(crop₀) = argmax f(crop₁)];
    `consistency/shift_given_correct` is the same among images whose crop₀ is classified correctly.
    Every network gets the same draws.
    """

    def __init__(self, reach: Size = 4) -> None:
        self.reach = reach

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Compare two translations of each image."""
        generator = torch.Generator().manual_seed(0)
        agree, right = [], []
        for images, labels in tested_batches(trainer):
            first, second = (module(self.translate(images, generator)).argmax(1) for _ in range(2))
            agree.append(first == second)
            right.append(first == labels)
        return _consistency(torch.cat(agree), torch.cat(right))

    def translate(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Shift each image (N, C, H, W) by up to `reach` pixels per axis, edges reflected."""
        reach = min(self.reach, min(images.shape[-2:]) - 1)
        padded = F.pad(images, [reach] * 4, mode="reflect")
        shift = RandomCropFlip(reach, flip=False)
        drawn = shift.draw(len(images), generator).to(images.device)
        shifted = shift(padded, drawn)
        return shifted[:, :, reach:-reach, reach:-reach]


class ShiftCurveProbe(EvaluationProbe):
    """Compares each test image with itself shifted by exactly 1, 2, …, `reach` pixels.

    Each image moves up, down, left or right, drawn for each image, so that a shift of d pixels has
    the length d (edges reflected). The artifact `shift.parquet` has a row per shift: `consistency`,
    the share of predictions that stay the same, and `given_correct`, the same among images that are
    classified correctly before the shift. `consistency/shift_1` and `consistency/shift_2` are the
    first two. Every network gets the same draws.
    """

    def __init__(self, reach: Size = 6) -> None:
        self.reach = reach

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Log the curve as an artifact, and return where it begins."""
        batches = list(tested_batches(trainer))
        before = [module(images).argmax(1) for images, _ in batches]
        right = torch.cat([p == labels for p, (_, labels) in zip(before, batches, strict=True)])
        rows = []
        for shift in range(1, min(self.reach, min(batches[0][0].shape[-2:]) - 1) + 1):
            generator = torch.Generator().manual_seed(shift)
            after = [module(shifted(i, shift, generator)).argmax(1) for i, _ in batches]
            agree = torch.cat(after) == torch.cat(before)
            consistency, given = _consistency(agree, right).values()
            rows.append((shift, consistency, given))
        with artifacts(trainer) as folder:
            frame = pd.DataFrame(rows, columns=["shift", "consistency", "given_correct"])
            frame.to_parquet(folder / "shift.parquet", index=False)
        return {f"consistency/shift_{shift}": value for shift, value, _ in rows[:LOGGED]}


def shifted(images: Tensor, shift: int, generator: torch.Generator) -> Tensor:
    """Shift each image (N, C, H, W) by `shift` pixels up, down, left or right, at random."""
    count, _, height, width = images.shape
    padded = F.pad(images, [shift] * 4, mode="reflect")
    corners = ((0, shift), (2 * shift, shift), (shift, 0), (shift, 2 * shift))
    moved = torch.stack([padded[:, :, y : y + height, x : x + width] for y, x in corners])
    direction = torch.randint(len(corners), (count,), generator=generator)
    return moved[direction.to(images.device), torch.arange(count, device=images.device)]


def _consistency(agree: Tensor, right: Tensor) -> dict[str, float]:
    given = (agree & right).sum() / right.sum().clamp_min(1)
    return {
        "consistency/shift": agree.float().mean().item(),
        "consistency/shift_given_correct": given.item(),
    }
