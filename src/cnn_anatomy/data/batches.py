"""Batches of images that stay in memory as uint8, on the device that trains."""

from __future__ import annotations

from collections.abc import Iterator
from copy import copy
from typing import Self

import torch
from torch import Tensor

from cnn_anatomy.config import constraints
from cnn_anatomy.data.augment import Augmentation
from cnn_anatomy.data.images import ImageSet


class Batches:
    """Iterates over (images float32 (B, C, H, W), labels int64 (B,)).

    With `shuffle`, (seed, epoch) alone determine the order and augmentation of an epoch, so that an
    interrupted run can resume; a shorter last batch is dropped. Both are drawn on the CPU and sent
    to the device in one copy before the first batch, so that no batch waits for the CPU.

    Args:
        data: the images.
        size: of a batch.
        mean, std: of each channel (C,), in units of 0 to 255.
        augment: changes the uint8 images of training; without `shuffle` it is not used.
    """

    def __init__(
        self,
        data: ImageSet,
        size: int,
        mean: Tensor,
        std: Tensor,
        *,
        shuffle: bool = False,
        augment: Augmentation | None = None,
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
        for order, drawn in self._training_epoch() if self.shuffle else self._all_images():
            images = self.images[order]
            if drawn is not None and self.augment is not None:
                images = self.augment(images, drawn)
            yield self.normalise(images), self.labels[order]

    def _all_images(self) -> Iterator[tuple[slice, None]]:
        """Yield the place of this share in each batch."""
        n = len(self.labels)
        for start in range(0, n, self.size):
            share = _share(range(start, min(start + self.size, n)), self.rank, self.world)
            yield slice(share.start, share.stop), None

    def _training_epoch(self) -> Iterator[tuple[Tensor, Tensor | None]]:
        """Yield the images of this share of each batch, and what was drawn for them."""
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        n = len(self) * self.size
        epoch = torch.randperm(len(self.labels), generator=generator)[:n, None]
        if self.augment is not None:
            drawn = [self.augment.draw(self.size, generator) for _ in range(len(self))]
            epoch = torch.cat([epoch, torch.cat(drawn)], 1)
        if self.labels.is_cuda:
            epoch = epoch.pin_memory()
        epoch = epoch.to(self.labels.device, non_blocking=True)
        for start in range(0, n, self.size):
            share = _share(range(start, start + self.size), self.rank, self.world)
            batch = epoch[share.start : share.stop]
            yield batch[:, 0], batch[:, 1:] if self.augment is not None else None

    def normalise(self, images: Tensor) -> Tensor:
        """Map uint8 images (N, C, H, W) to float32 (x − mean) / std, in channels-last order."""
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return (images - self.mean) / self.std


def _share(batch: range, rank: int, world: int) -> range:
    """Return the part of process `rank` of `world`; the first ones may have one image more."""
    size, larger = divmod(len(batch), world)
    start = rank * size + min(rank, larger)
    return batch[start : start + size + (rank < larger)]
