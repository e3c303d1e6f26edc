"""Reading what modules are given and replacing what they return, for a while."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from torch import Tensor, nn

# Maps (module, inputs, output) to the output in its place.
Replacement = Callable[[nn.Module, tuple[Tensor, ...], Tensor], Tensor]


@contextmanager
def inputs_collected(module: nn.Module) -> Iterator[list[Tensor]]:
    """Collect the first input of every call of `module` within the block."""
    inputs: list[Tensor] = []
    hook = module.register_forward_pre_hook(lambda _, given: inputs.append(given[0]))
    try:
        yield inputs
    finally:
        hook.remove()


@contextmanager
def outputs_replaced(modules: Sequence[nn.Module], replacement: Replacement) -> Iterator[None]:
    """Make `modules` return what `replacement` gives within the block."""
    hooks = [module.register_forward_hook(replacement) for module in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
