"""Replacing what modules return, for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

# Maps (module, inputs, output) to the output in its place.
Replacement = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]


@contextmanager
def outputs_replaced(modules: Sequence[nn.Module], replacement: Replacement) -> Iterator[None]:
    """Make `modules` return what `replacement` gives within the block."""
    hooks = [module.register_forward_hook(replacement) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
