"""Stems: the layers before the first stage.

A stem is built with the images' number of channels and the injected pooling, norm and activation.
It maps (N, channels, H, W) to (N, out_channels, H', W').
"""

from __future__ import annotations

from collections import OrderedDict
from functools import partial
from typing import Annotated, Any

import torch
from annotated_types import Ge, Le
from torch import Tensor, nn

from cnn_anatomy.config.constraints import require_odd
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.ranges import Count, Share, Size
from cnn_anatomy.networks.inception import Kernel
from cnn_anatomy.networks.layers import ConvNormAct, Factory, Transition, has_bias
from cnn_anatomy.networks.pooling import BlurMax, Max, Strided


class Bare(nn.Identity):
    """No stem: the images go to the first stage (VGG)."""

    def __init__(
        self, channels: int, *, pooling: Factory, norm: Factory, activation: Factory
    ) -> None:
        super().__init__()
        self.out_channels = channels


class InputDropout(nn.Dropout):
    """Dropout of the images' values, no layer (Springenberg et al. 2014)."""

    def __init__(
        self,
        channels: int,
        *,
        pooling: Factory,
        norm: Factory,
        activation: Factory,
        dropout: Share = 0.2,
    ) -> None:
        super().__init__(dropout)
        self.out_channels = channels


class Convolution(ConvNormAct):
    """One convolution, 3×3 (He et al. 2015, section 4.2) or of another `kernel`.

    With `halve`, it or the pooling after it halves the resolution.
    """

    def __init__(
        self,
        channels: int,
        *,
        width: Size,
        pooling: Factory,
        norm: Factory,
        activation: Factory,
        kernel: Kernel = 3,
        halve: bool = False,
    ) -> None:
        require_odd("model.stem.kernel", kernel)
        pool = pooling if halve else None
        super().__init__(channels, width, kernel, norm=norm, activation=activation, pooling=pool)


class BareConvolution(nn.Conv2d):
    """One convolution without norm and activation, for blocks that begin with them."""

    def __init__(
        self,
        channels: int,
        *,
        width: Size,
        pooling: Factory,
        norm: Factory,
        activation: Factory,
        kernel: Kernel = 3,
        biased: bool = False,
    ) -> None:
        require_odd("model.stem.kernel", kernel)
        super().__init__(channels, width, kernel, padding=kernel // 2, bias=biased)


class Patches(nn.Sequential):
    """A convolution of patches that do not overlap, then norm (Liu et al. 2022, section 2.2)."""

    def __init__(
        self,
        channels: int,
        *,
        width: Size,
        pooling: Factory,
        norm: Factory,
        activation: Factory,
        patch: Size = 4,
    ) -> None:
        normal = norm(width)
        conv = nn.Conv2d(channels, width, patch, patch, bias=has_bias(normal))
        super().__init__(OrderedDict(conv=conv, norm=normal))
        self.out_channels = width


class Residual(nn.Sequential):
    """7×7 convolution of stride 2 and 3×3 max pooling of stride 2 (He et al. 2015, table 1).

    With `blur` ≥ 2 the pooling is anti-aliased by a filter of this size (Zhang 2019).
    """

    def __init__(
        self,
        channels: int,
        *,
        width: Size,
        pooling: Factory,
        norm: Factory,
        activation: Factory,
        blur: Annotated[int, Ge(0), Le(7)] = 0,
    ) -> None:
        pool = partial(BlurMax, size=blur) if blur else partial(Max, kernel=3)
        conv = ConvNormAct(channels, width, 7, norm=norm, activation=activation, pooling=Strided)
        super().__init__(OrderedDict(conv=conv, pool=pool(width)))
        self.out_channels = width


class GoogLeNet(nn.Sequential):
    """7×7 of stride 2, pooling, 1×1 and 3×3 convolutions (Szegedy et al. 2014, table 1).

    The first stage must begin with a pooling, which follows the last convolution. `response_norm`
    is the window of the local response normalisations, 0 for none. `rescale` maps images that are
    normalised by ImageNet's mean and deviation to [−1, 1], the input of torchvision's weights.
    """

    def __init__(
        self,
        channels: int,
        *,
        pooling: Factory,
        norm: Factory,
        activation: Factory,
        width: Size = 64,
        out: Size = 192,
        response_norm: Count = 5,
        rescale: bool = False,
    ) -> None:
        shared: dict[str, Any] = {"norm": norm, "activation": activation}
        parts: OrderedDict[str, nn.Module] = OrderedDict()
        if rescale:
            parts["rescale"] = Rescale(channels)
        parts["conv1"] = ConvNormAct(channels, width, 7, pooling=Strided, **shared)
        parts["pool1"] = Transition(width, pooling=pooling, **shared)
        if response_norm:
            parts["response1"] = nn.LocalResponseNorm(response_norm)
        parts["conv2"] = ConvNormAct(width, width, 1, **shared)
        parts["conv3"] = ConvNormAct(width, out, 3, **shared)
        if response_norm:
            parts["response2"] = nn.LocalResponseNorm(response_norm)
        super().__init__(parts)
        self.out_channels = out


class Rescale(nn.Module):
    """Maps images (N, 3, H, W) that are normalised by ImageNet's mean and deviation to [−1, 1].

    Raises:
        ConfigError: if the images don't have three channels.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        if channels != 3:
            raise ConfigError(
                f"rescale=true has no meaning for images of {channels} channels: ImageNet's "
                "statistics are of 3"
            )
        mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
        scale = torch.tensor([s / 0.5 for s in std]).view(3, 1, 1)
        shift = torch.tensor([(m - 0.5) / 0.5 for m in mean]).view(3, 1, 1)
        self.register_buffer("scale", scale, persistent=False)
        self.register_buffer("shift", shift, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Map (N, 3, H, W) to the same shape."""
        return x * self.scale + self.shift
