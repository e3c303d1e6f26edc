"""Augmentation of a whole batch at once, with separate random draws for each image."""

from __future__ import annotations

from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_anatomy.core.ranges import Count


class Augmentation(Protocol):
    """Random changes of training images.

    What is random is drawn on the CPU, for a whole epoch before its first batch, so that a GPU gets
    the same draws as a CPU, in one copy. What is drawn is applied where the images are, to each
    image by itself: a GPU prepares several batches in one call.
    """

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return what is random about `n` images: (n, k) of int64, on the CPU."""
        ...

    def __call__(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Map images (N, C, H, W) to the same shape by what was drawn for them (N, k)."""
        ...


class RandomCropFlip:
    """Shift each image by up to `pad` pixels, filled with zeros; with `flip`, mirror half of them.

    This equals padding and random crops (He et al. 2015, section 4.2).
    """

    def __init__(self, pad: Count = 4, flip: bool = True) -> None:
        self.pad = pad
        self.flip = flip

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Return (n, 3): first row and first column of the crop, and 1 if it is mirrored."""
        corners = torch.randint(0, 2 * self.pad + 1, (2, n), generator=generator)
        mirrored = torch.zeros(1, n, dtype=torch.int64)
        if self.flip:
            mirrored = (torch.rand(1, n, generator=generator) < 0.5).long()
        return torch.cat([corners, mirrored]).T

    def __call__(self, images: Tensor, drawn: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape by `drawn` (N, 3), on the device of both."""
        n, _, height, width = images.shape
        device = images.device
        top, left, mirrored = drawn[:, :, None].unbind(1)
        rows = torch.arange(height, device=device) + top
        columns = torch.arange(width, device=device).expand(n, width)
        columns = torch.where(mirrored > 0, width - 1 - columns, columns) + left
        padded = F.pad(images, [self.pad] * 4).permute(0, 2, 3, 1)
        index = torch.arange(n, device=device)[:, None, None]
        return padded[index, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
