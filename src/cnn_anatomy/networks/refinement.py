"""Refines the branches F(x) of built blocks, in this order: convolutions, attention, residual.

So blocks know nothing of these axes, and each refines every block, Inception modules included.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import nn

from cnn_anatomy.config import constraints
from cnn_anatomy.networks.blocks import Block
from cnn_anatomy.networks.branch_scaling import Unscaled
from cnn_anatomy.networks.convolutions import full
from cnn_anatomy.networks.inception import Inception
from cnn_anatomy.networks.layers import Factory, made

Refined = Block | Inception


def refine(
    stem: nn.Module,
    stages: Sequence[nn.Module],
    *,
    conv: Factory,
    attention: Factory,
    residual: Factory,
    norm: Factory,
    activation: Factory,
) -> None:
    """Change the blocks of `stages` in place.

    Raises:
        ConfigError: if `conv` can replace no convolution, or `residual` finds no skip connection.
    """
    blocks = [
        module for stage in stages for module in stage.modules() if isinstance(module, Refined)
    ]
    if made(conv) is not full:
        _replace_convolutions(stem, blocks, conv, norm=norm, activation=activation)
    skipping = [block for block in blocks if getattr(block.skip, "joins", True)]
    if made(residual) is not Unscaled and not skipping:
        constraints.refuse_residual(made(residual).__name__)
    for number, block in enumerate(blocks, 1):
        layers = [attention(block.width)]
        if block in skipping:
            layers.append(residual(block.width, number / len(blocks)))
        block.refinements.extend(x for x in layers if not isinstance(x, nn.Identity))


def _replace_convolutions(
    stem: nn.Module, blocks: Sequence[Refined], conv: Factory, **shared: Factory
) -> None:
    """Replace the blocks' convolutions larger than 1×1, but not the one that takes the images."""
    first = not any(isinstance(module, nn.Conv2d) for module in stem.modules())
    places = [place for block in blocks for place in _convolutions(block)]
    changed = 0
    for number, (parent, name) in enumerate(places):
        old = getattr(parent, name)
        takes_images = first and number == 0
        if old.kernel_size != (1, 1) and old.groups == 1 and not takes_images:
            setattr(parent, name, conv(old, **shared))
            changed += 1
    if not changed:
        constraints.refuse_convolution(made(conv).__name__)


def _convolutions(block: Refined) -> Iterator[tuple[nn.Module, str]]:
    """Yield every convolution of F, in forward order, as its parent module and its name there."""
    for path, module in block.named_modules():
        parent, _, name = path.rpartition(".")
        if isinstance(module, nn.Conv2d) and not path.startswith("skip."):
            yield block.get_submodule(parent), name
