"""Augmentation of a whole batch at once, with separate random draws for each image."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_anatomy.core.ranges import Count


class RandomCropFlip:
    """Shift each image by up to `pad` pixels, filled with zeros; with `flip`, mirror half of them.

    This equals padding and random crops (He et al. 2015, section 4.2).
    """

    def __init__(self, pad: Count = 4, flip: bool = True) -> None:
        self.pad = pad
        self.flip = flip

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Map (N, C, H, W) to the same shape; `generator` must be on the CPU."""
        n, _, height, width = images.shape
        draw = torch.randint(0, 2 * self.pad + 1, (2, n, 1), generator=generator)
        mirror = torch.rand(n, 1, generator=generator) < 0.5 if self.flip else torch.zeros(n, 1) > 0
        rows = torch.arange(height) + draw[0]
        columns = torch.arange(width).expand(n, width)
        columns = torch.where(mirror, width - 1 - columns, columns) + draw[1]
        padded = F.pad(images, [self.pad] * 4).permute(0, 2, 3, 1)
        device = images.device
        index = torch.arange(n, device=device)[:, None, None]
        crops = padded[index, rows.to(device)[:, :, None], columns.to(device)[:, None, :]]
        return crops.permute(0, 3, 1, 2)
