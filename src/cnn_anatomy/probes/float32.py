"""Computing in float32 whatever precision training has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn

# What computes float32 on a GPU, and may do so with the ten bits of TensorFloat-32.
BACKENDS = (torch.backends.cudnn.conv, torch.backends.cuda.matmul)  # type: ignore[attr-defined]


@contextmanager
def float32(module: nn.Module) -> Iterator[None]:
    """Compute `module`, whose weights are float32, in it: no autocast, TensorFloat-32 or compiler.

    Args:
        module: its weights' device is the one that computes.
    """
    device = next(module.parameters()).device.type
    precisions = [backend.fp32_precision for backend in BACKENDS]
    try:
        for backend in BACKENDS:
            backend.fp32_precision = "ieee"
        with torch.autocast(device, enabled=False), torch.compiler.set_stance("force_eager"):
            yield
    finally:
        for backend, precision in zip(BACKENDS, precisions, strict=True):
            backend.fp32_precision = precision
