"""A look at gradients that leaves training as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def undisturbed(module: nn.Module) -> Iterator[None]:
    """Let gradients be taken; then put buffers and the random stream back as they were."""
    buffers = {name: b.clone() for name, b in module.named_buffers()}
    with torch.random.fork_rng(), torch.enable_grad():
        yield
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            buffer.copy_(buffers[name])
