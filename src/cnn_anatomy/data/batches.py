"""Batches of images that stay in memory as uint8, on the device that trains."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from typing import Self

import torch
from torch import Tensor

from cnn_anatomy.config import constraints
from cnn_anatomy.data.images import ImageSet


class Batches:
    """Iterates over (images float32 (B, C, H, W), labels int64 (B,)).

    With `shuffle`, (seed, epoch) alone determine the order and augmentation of an epoch, so that an
    interrupted run can resume; a shorter last batch is dropped.

    Args:
        data: the images.
        size: of a batch.
        mean, std: of each channel (C,), in units of 0 to 255.
        augment: maps (uint8 images, generator) to images of the same shape.
    """

    def __init__(
        self,
        data: ImageSet,
        size: int,
        mean: Tensor,
        std: Tensor,
        *,
        shuffle: bool = False,
        augment: Callable[[Tensor, torch.Generator], Tensor] | None = None,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        self.images = data.images.to(device)
        self.labels = data.labels.to(device)
        self.mean = mean.view(-1, 1, 1).to(device)
        self.std = std.view(-1, 1, 1).to(device)
        self.size = min(size, len(data))
        self.shuffle = shuffle
        self.augment = augment
        self.seed = seed
        self.epoch = 0
        self.rank, self.world = 0, 1

    batch_sampler = None

    def part(self, rank: int, world: int) -> Self:
        """Return the share of process `rank` of `world` in every batch.

        Order and random draws are those of the whole batch. In training, shares are equal, so that
        the mean of their gradients is the gradient of the whole batch. In evaluation, the last
        shares may have one image fewer, or none.

        Raises:
            ConfigError: if training batches can't be shared equally.
        """
        if self.shuffle:
            constraints.check_shares(self.size, world)
        share = copy(self)
        share.rank, share.world = rank, world
        return share

    @property
    def sampler(self) -> Batches:
        """This object, as Lightning calls `set_epoch` of a loader's sampler."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Set the epoch whose order and augmentation come next."""
        self.epoch = epoch

    def __len__(self) -> int:
        n = len(self.labels)
        return n // self.size if self.shuffle else -(-n // self.size)

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        n = len(self.labels)
        order = torch.randperm(n, generator=generator) if self.shuffle else torch.arange(n)
        order = order.to(self.labels.device)
        for i in range(len(self)):
            indices = order[i * self.size : (i + 1) * self.size]
            images = self.images[indices]
            if self.augment is not None:
                images = self.augment(images, generator)
            yield self.normalise(self._share(images)), self._share(self.labels[indices])

    def _share(self, batch: Tensor) -> Tensor:
        return batch.tensor_split(self.world)[self.rank] if self.world > 1 else batch

    def normalise(self, images: Tensor) -> Tensor:
        """Map uint8 images (N, C, H, W) to float32 (x − mean) / std, in channels-last order."""
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return (images - self.mean) / self.std
