"""What takes the place of a block's convolution larger than 1×1.

A function is called with the full convolution and the injected norm and activation, and returns a
module that maps the same input to an output of the same shape.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Annotated

from annotated_types import Ge
from torch import nn

from cnn_anatomy.config.constraints import check_groups, count_groups
from cnn_anatomy.core.ranges import Size
from cnn_anatomy.networks.layers import Factory, has_bias


def full(conv: nn.Conv2d, *, norm: Factory, activation: Factory) -> nn.Module:
    """Return the convolution itself: every output channel sees every input channel."""
    return conv


def grouped(
    conv: nn.Conv2d, *, norm: Factory, activation: Factory, groups: Annotated[int, Ge(2)]
) -> nn.Module:
    """Return a convolution within `groups` groups of channels (Krizhevsky et al. 2012).

    Raises:
        ConfigError: if `groups` does not divide both numbers of channels.
    """
    check_groups(groups, conv.in_channels, conv.out_channels, conv.kernel_size[0])
    return _like(conv, conv.out_channels, groups, bias=conv.bias is not None)


def group_width(
    conv: nn.Conv2d, *, norm: Factory, activation: Factory, width: Size = 8
) -> nn.Module:
    """Return a convolution within groups of `width` channels (Radosavovic et al. 2020).

    With unlike numbers of channels these are of the divisor that both share.

    Raises:
        ConfigError: if `width` does not divide both numbers of channels.
    """
    groups = count_groups(width, conv.in_channels, conv.out_channels, conv.kernel_size[0])
    return _like(conv, conv.out_channels, groups, bias=conv.bias is not None)


def separable(
    conv: nn.Conv2d, *, norm: Factory, activation: Factory, between: bool = True
) -> nn.Module:
    """Return a convolution of each channel by itself, then a 1×1 one (Howard et al. 2017).

    A norm and an activation come between the two (their figure 3), or with `between` false neither
    (Chollet 2017).
    """
    channels = conv.in_channels
    normal = norm(channels)
    layers: OrderedDict[str, nn.Module] = OrderedDict()
    layers["depthwise"] = _like(conv, channels, channels, bias=between and has_bias(normal))
    if between:
        layers |= {"norm": normal, "act": activation()}
    layers["pointwise"] = nn.Conv2d(channels, conv.out_channels, 1, bias=conv.bias is not None)
    return nn.Sequential(layers)


def _like(conv: nn.Conv2d, width: int, groups: int, *, bias: bool) -> nn.Conv2d:
    """Return a convolution of `conv`'s kernel, stride and padding, `width` channels wide."""
    return nn.Conv2d(
        conv.in_channels,
        width,
        conv.kernel_size,  # type: ignore[arg-type]
        conv.stride,  # type: ignore[arg-type]
        conv.padding,  # type: ignore[arg-type]
        groups=groups,
        bias=bias,
    )
