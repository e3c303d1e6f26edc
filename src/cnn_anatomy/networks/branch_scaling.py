"""What a block's F(x) is multiplied by before the skip adds it to x.

Each is built with the number of channels and the block's depth: its number ÷ that of all blocks.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cnn_anatomy.core.ranges import Positive, ProperFraction


class Unscaled(nn.Identity):
    """F(x) as it is."""

    def __init__(self, channels: int, depth: float) -> None:
        super().__init__()


class StochasticDepth(nn.Module):
    """Drops F(x) of an image in training, the likelier the deeper the block (Huang et al. 2016).

    The last block drops with probability `drop`, the others in proportion to their depth. What is
    kept is divided by the probability of keeping it, so that evaluation uses F(x) as it is.
    """

    def __init__(self, channels: int, depth: float, drop: ProperFraction = 0.5) -> None:
        super().__init__()
        self.keep = 1 - drop * depth

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        if not self.training:
            return x
        kept = torch.empty(len(x), 1, 1, 1, dtype=x.dtype, device=x.device).bernoulli_(self.keep)
        return x * (kept / self.keep)


class LayerScale(nn.Module):
    """γ · F(x) with a learned γ for each channel, `start` before training (Touvron et al. 2021)."""

    def __init__(self, channels: int, depth: float, start: Positive = 1e-6) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.full((channels, 1, 1), start))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to the same shape."""
        return x * self.scale
