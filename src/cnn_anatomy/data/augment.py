"""Augmentation of a whole batch at once, each image with its own draw."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_anatomy.core.ranges import Count


class RandomCropFlip:
    """Shift each image by up to `pad` pixels over zeros, and mirror half of them if `flip`.

    The padding and crop of He et al. 2015, section 4.2.
    """

    def __init__(self, pad: Count = 4, flip: bool = True) -> None:
        self.pad = pad
        self.flip = flip

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Map (N, C, H, W) to the same shape; `generator` is one of the CPU's."""
        n, _, height, width = images.shape
        draw = torch.randint(0, 2 * self.pad + 1, (2, n, 1), generator=generator)
        mirror = torch.rand(n, 1, generator=generator) < 0.5 if self.flip else torch.zeros(n, 1) > 0
        rows = torch.arange(height) + draw[0]
        columns = torch.arange(width).expand(n, width)
        columns = torch.where(mirror, width - 1 - columns, columns) + draw[1]
        padded = F.pad(images, [self.pad] * 4).permute(0, 2, 3, 1)
        device = images.device
        index = torch.arange(n, device=device)[:, None, None]
        taken = padded[index, rows.to(device)[:, :, None], columns.to(device)[:, None, :]]
        return taken.permute(0, 3, 1, 2)
