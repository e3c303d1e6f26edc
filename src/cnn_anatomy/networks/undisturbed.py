"""Computing gradients without a trace in training."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Enable gradients; restore buffers and the random number generator at the end."""
    buffers = {name: b.clone() for name, b in module.named_buffers()}
    try:
        with torch.random.fork_rng(), torch.enable_grad():
            yield
    finally:
        with torch.no_grad():
            for name, buffer in module.named_buffers():
                buffer.copy_(buffers[name])
