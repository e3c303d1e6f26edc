"""Batch normalisation by the statistics of the whole batch, of which every rank has a share."""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from lightning.pytorch.plugins import LayerSync
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


class SynchronisedNorm(LayerSync):
    """Normalises by the images of all ranks while training, on any device.

    With it, several ranks compute what one does, up to rounding. PyTorch's SyncBatchNorm does the
    same on GPUs only.
    """

    def apply(self, model: nn.Module) -> nn.Module:
        """Replace the forward pass of every batch normalisation."""
        for module in _norms(model):
            module.forward = partial(_normalised, module, module.forward)  # type: ignore[method-assign]
        return model

    def revert(self, model: nn.Module) -> nn.Module:
        """Restore the forward passes."""
        for module in _norms(model):
            module.__dict__.pop("forward", None)
        return model


def _norms(model: nn.Module) -> list[_BatchNorm]:
    return [m for m in model.modules() if isinstance(m, _BatchNorm)]


def _normalised(norm: _BatchNorm, local_forward: Any, x: Tensor) -> Tensor:
    """Normalise maps (N, C, …) by mean and variance over all ranks' shares, which are equal."""
    if not norm.training:
        return local_forward(x)
    axes = [0, *range(2, x.dim())]
    shape = [1, -1] + [1] * (x.dim() - 2)
    values = x if x.dtype == torch.float64 else x.float()
    mean = _RankMean.apply(values.mean(axes))
    centred = values - mean.view(shape)
    variance = _RankMean.apply(centred.square().mean(axes))
    count = x.numel() // x.shape[1] * torch.distributed.get_world_size()
    _update_running_statistics(norm, mean, variance, count)
    normal = centred * (variance + norm.eps).rsqrt().view(shape)
    if norm.affine:
        normal = normal * norm.weight.view(shape) + norm.bias.view(shape)
    return normal.to(x.dtype)


@torch.no_grad()
def _update_running_statistics(
    norm: _BatchNorm, mean: Tensor, variance: Tensor, count: int
) -> None:
    """Update the running statistics; the variance is unbiased, as PyTorch keeps it."""
    if norm.running_mean is None or norm.running_var is None:
        return
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    momentum = norm.momentum if norm.momentum is not None else 1 / norm.num_batches_tracked.item()
    norm.running_mean.lerp_(mean, momentum)
    norm.running_var.lerp_(variance * (count / (count - 1)), momentum)


class _RankMean(torch.autograd.Function):
    """The mean of a tensor over the ranks.

    Every rank differentiates its own loss; the all-reduce adds other ranks' terms.
    """

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        return _mean_over_ranks(value)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return _mean_over_ranks(gradient)


def _mean_over_ranks(value: Tensor) -> Tensor:
    value = value.contiguous().clone()
    torch.distributed.all_reduce(value)
    return value / torch.distributed.get_world_size()
