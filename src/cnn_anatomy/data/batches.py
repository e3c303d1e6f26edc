"""Batches cut from images that stay in memory as uint8, on the device that trains."""

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

    With `shuffle`, order and augmentation of an epoch follow from (seed, epoch) alone, so that an
    interrupted run finds its place again; the last, shorter batch is dropped then.

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
        """Return the same batches, of each the share of one of `world` processes.

        Order and draws are those of the whole batch. In training the shares are equal, so that
        the mean of their gradients is the whole batch's; else the last ones may be smaller by one
        image, even empty.

        Raises:
            ConfigError: if training batches can't be shared equally.
        """
        if self.shuffle:
            constraints.check_shares(self.size, world)
        mine = copy(self)
        mine.rank, mine.world = rank, world
        return mine

    @property
    def sampler(self) -> Batches:
        """Itself: Lightning tells a loader's sampler which epoch begins."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Say which epoch's order and augmentation come next."""
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
        """Map uint8 images (N, C, H, W) to float32 of zero mean and unit variance, NHWC strides."""
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return (images - self.mean) / self.std
