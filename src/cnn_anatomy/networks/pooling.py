"""Pooling: how a network halves its resolution.

A pooling is any module built with the number of channels C. Together with the convolution before
it, it maps (N, C, H, W) to (N, C, H // 2, W // 2). Three attributes are optional:

- `conv_stride` (default 1) is the stride of the convolution before the pooling.
- `needs_conv` (default False) marks a pooling that does nothing without that convolution. Where a
  network has none, between two stages, a 3×3 convolution is added (Springenberg et al. 2014).
- `window` (default None) is the side and the padding of its windows in pixels. In surgery it then
  takes the place of max poolings with such windows alone, otherwise of any.
"""

from __future__ import annotations

from typing import Annotated

import torch
import torch.nn.functional as F
from annotated_types import Ge, Le
from torch import Tensor, nn

from cnn_anatomy.core.ranges import Positive


def conv_stride(pooling: nn.Module) -> int:
    """Return the stride of the convolution before `pooling`."""
    return int(getattr(pooling, "conv_stride", 1))


def needs_conv(pooling: nn.Module) -> bool:
    """Return whether `pooling` does nothing without a convolution before it."""
    return bool(getattr(pooling, "needs_conv", False))


class Pooling(nn.Module):
    """Base of the poolings in this module; on its own it returns its input."""

    conv_stride = 1
    needs_conv = False
    window: tuple[int, int] | None = (2, 0)

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor) -> Tensor:
        """Return the input (N, C, H, W) unchanged."""
        return x


class Unpooled(Pooling):
    """No pooling: the resolution stays the same."""


def halves(pooling: nn.Module) -> bool:
    """Return whether the resolution halves: whether `pooling` is any but `Unpooled`."""
    return not isinstance(pooling, Unpooled)


class Dilated(Pooling):
    """No pooling: the convolutions after it dilate instead, see `dilation.dilate`.

    The receptive field grows as behind a pooling, and the resolution stays the same.
    """

    window = None
    subsamples = False  # every second pixel, while the dilations are measured

    def forward(self, x: Tensor) -> Tensor:
        """Return the input (N, C, H, W) unchanged."""
        return x[..., ::2, ::2] if self.subsamples else x


class Strided(Pooling):
    """No pooling: the convolution before it has stride 2 (He et al. 2015)."""

    conv_stride = 2
    needs_conv = True


class Max(Pooling):
    """Maximum of each window.

    Windows with `kernel` > 2 overlap. The edges are padded; with `ceil`, windows start at the first
    pixel instead and may extend past the last.
    """

    def __init__(
        self, channels: int, kernel: Annotated[int, Ge(2), Le(3)] = 2, ceil: bool = False
    ) -> None:
        super().__init__(channels)
        padding = 0 if ceil else (kernel - 1) // 2
        self.window = (kernel, padding)
        self.pool = nn.MaxPool2d(kernel, 2, padding, ceil_mode=ceil)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H // 2, W // 2)."""
        return self.pool(x)


class Average(Pooling):
    """Mean of each window; windows with `kernel` > 2 overlap, and zeros pad the edges."""

    def __init__(self, channels: int, kernel: Annotated[int, Ge(2), Le(3)] = 2) -> None:
        super().__init__(channels)
        self.kernel, self.padding = self.window = kernel, (kernel - 1) // 2

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H // 2, W // 2)."""
        return F.avg_pool2d(x, self.kernel, 2, self.padding)


class Lp(Pooling):
    """Lp norm of each 2×2 window, as a mean: (mean |x|^p)^(1/p) (Sermanet et al. 2012)."""

    def __init__(
        self, channels: int, p: Annotated[float, Ge(1), Le(100)] = 2.0, eps: Positive = 1e-6
    ) -> None:
        super().__init__(channels)
        self.p = p
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H // 2, W // 2)."""
        powers = F.avg_pool2d(x.abs().clamp_min(self.eps).float() ** self.p, 2)
        return (powers ** (1 / self.p)).to(x.dtype)


class Stochastic(Pooling):
    """One activation of each window, drawn with probability ∝ its value (Zeiler & Fergus 2013).

    In evaluation mode the output is the mean under these probabilities (their section 3.2).
    Negative activations have probability zero; a window of zeros is drawn from uniformly.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H // 2, W // 2)."""
        n, c, h, w = x.shape
        h, w = h // 2, w // 2
        windows = x[:, :, : 2 * h, : 2 * w].reshape(n, c, h, 2, w, 2).transpose(3, 4)
        windows = windows.reshape(n, c, h, w, 4)
        weights = windows.detach().float().clamp_min(0) + 1e-6
        if self.training:
            choice = torch.multinomial(weights.reshape(-1, 4), 1).reshape(n, c, h, w, 1)
            return windows.gather(4, choice).squeeze(4)
        probabilities = weights / weights.sum(4, keepdim=True)
        return (windows * probabilities.to(x.dtype)).sum(4)


class Mixed(Pooling):
    """a·max + (1 − a)·average with a learned a = σ(logit) (Lee et al. 2015, section 3.1)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.logit = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H // 2, W // 2)."""
        return torch.lerp(F.avg_pool2d(x, 2), F.max_pool2d(x, 2), self.logit.sigmoid().to(x.dtype))


class GatedPooling(Pooling):
    """σ(w·x)·max + (1 − σ(w·x))·average, a 2×2 mask w per channel (Lee et al. 2015, 3.2)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.mask = nn.Parameter(torch.zeros(channels, 1, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H // 2, W // 2)."""
        gate = F.conv2d(x, self.mask, stride=2, groups=self.channels).sigmoid()
        average, maximum = F.avg_pool2d(x, 2), F.max_pool2d(x, 2)
        return gate * maximum + (1 - gate) * average


class Blur(Pooling):
    """Low-pass filter, then subsampling by two; no parameters (Zhang 2019, section 3.1).

    The kernel is the normalised outer product of a row of Pascal's triangle with itself: 2 → [1 1],
    3 → [1 2 1], 4 → [1 3 3 1], 5 → [1 4 6 4 1]. Edges are reflected.
    """

    window = None
    kernel: Tensor

    def __init__(self, channels: int, size: Annotated[int, Ge(2), Le(7)] = 3) -> None:
        super().__init__(channels)
        row = torch.ones(1)
        for _ in range(size - 1):
            row = F.pad(row, (1, 0)) + F.pad(row, (0, 1))
        kernel = torch.outer(row, row) / row.sum() ** 2
        self.register_buffer("kernel", kernel.repeat(channels, 1, 1, 1), persistent=False)
        low, high = (size - 1) // 2, size // 2
        self.padding = (low, high, low, high)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, ⌈H / 2⌉, ⌈W / 2⌉)."""
        mode = "reflect" if min(x.shape[-2:]) > max(self.padding) else "replicate"
        x = F.pad(x, self.padding, mode=mode)
        return F.conv2d(x, self.kernel.to(x.dtype), stride=2, groups=self.channels)


class BlurStrided(Blur):
    """A convolution of stride 1, then Blur: the anti-aliased strided convolution."""

    needs_conv = True


class BlurMax(Blur):
    """Maximum at stride 1, then Blur: the anti-aliased max pooling.

    The maximum is of 2×2 windows, in place of 3×3 windows, too, as in Zhang's ResNets.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, C, H, W) to (N, C, H // 2, W // 2)."""
        return super().forward(F.max_pool2d(F.pad(x, (0, 1, 0, 1), mode="replicate"), 2, 1))
