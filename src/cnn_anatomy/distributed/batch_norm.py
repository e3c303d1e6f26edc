"""Batch normalisation by the statistics of a batch that several processes share."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from lightning.pytorch.plugins import LayerSync
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SharedNorm(LayerSync):
    """Lets every batch normalisation in training see all processes' images, on any device.

    With it a run of several processes is that of one up to rounding. PyTorch's own class does the
    same, but for GPUs alone.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Replace the forward of every batch normalisation."""
        for module in _norms(model):
            module.forward = partial(_normalised, module, module.forward)  # type: ignore[method-assign]
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Put the class's own forward back."""
        for module in _norms(model):
            module.__dict__.pop("forward", None)
        return model


def _norms(model: nn.Module) -> list[_BatchNorm]:
    return [m for m in model.modules() if isinstance(m, _BatchNorm)]


def _normalised(norm: _BatchNorm, alone: Any, x: Tensor) -> Tensor:
    """Normalise maps (N, C, …) by mean and variance over all processes' equal shares."""
    if not norm.training:
        return alone(x)
    axes = [0, *range(2, x.dim())]
    shape = [1, -1] + [1] * (x.dim() - 2)
    values = x if x.dtype == torch.float64 else x.float()
    mean = _Mean.apply(values.mean(axes))
    centred = values - mean.view(shape)
    variance = _Mean.apply(centred.square().mean(axes))
    _remember(norm, mean, variance, x.numel() // x.shape[1] * torch.distributed.get_world_size())
    normal = centred * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        normal = normal * norm.weight.view(shape) + norm.bias.view(shape)
    return normal.to(x.dtype)


@torch.no_grad()
def _remember(norm: _BatchNorm, mean: Tensor, variance: Tensor, count: int) -> None:
    """Update the running statistics, the variance's without bias as PyTorch has it."""
    if norm.running_mean is None or norm.running_var is None:
        return
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    momentum = norm.momentum if norm.momentum is not None else 1 / norm.num_batches_tracked.item()
    norm.running_mean.lerp_(mean, momentum)
    norm.running_var.lerp_(variance * (count / (count - 1)), momentum)


class _Mean(torch.autograd.Function):
    """The mean over processes of a tensor; so is its gradient.

    Each process takes the gradient of its own loss: what another's loss owes to this share comes
    from there.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return _mean(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _mean(gradient)


def _mean(value: Tensor) -> Tensor:
    value = value.contiguous().clone()
    torch.distributed.all_reduce(value)
    return value / torch.distributed.get_world_size()
