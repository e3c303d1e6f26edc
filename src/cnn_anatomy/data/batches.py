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

GROUP_BYTES = 2**26  # of batches that a GPU prepares together, which saves launches


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
        return self._training_batches() if self.shuffle else self._all_images()

    def _all_images(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this share of each batch, in the order of the images."""
        n = len(self.labels)
        for start in range(0, n, self.size):
            share = _share(range(start, min(start + self.size, n)), self.rank, self.world)
            place = slice(share.start, share.stop)
            yield self.normalise(self.images[place]), self.labels[place]

    def _training_batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield this share of each batch of an epoch, in random order and augmented."""
        share = _share(range(self.size), self.rank, self.world)
        epoch = self._drawn_epoch()[:, share.start : share.stop]
        for batches in epoch.split(self._batches_at_once(len(share))):
            drawn = batches.flatten(0, 1)
            images = self.images[drawn[:, 0]]
            if self.augment is not None:
                images = self.augment(images, drawn[:, 1:])
            images, labels = self.normalise(images), self.labels[drawn[:, 0]]
            yield from zip(images.split(len(share)), labels.split(len(share)), strict=True)

    def _drawn_epoch(self) -> Tensor:
        """Return (batches, size, 1 + k) on the device: each place's image, and its k draws."""
        generator = torch.Generator().manual_seed(self.seed * 100_003 + self.epoch)
        n = len(self) * self.size
        epoch = torch.randperm(len(self.labels), generator=generator)[:n, None]
        if self.augment is not None:
            drawn = [self.augment.draw(self.size, generator) for _ in range(len(self))]
            epoch = torch.cat([epoch, torch.cat(drawn)], 1)
        if self.labels.is_cuda:
            epoch = epoch.pin_memory()
        return epoch.to(self.labels.device, non_blocking=True).unflatten(0, (-1, self.size))

    def _batches_at_once(self, size: int) -> int:
        """Return how many batches of `size` images to prepare together: on a CPU, one."""
        if not self.images.is_cuda:
            return 1
        return max(1, GROUP_BYTES // (size * self.images[0].numel() * torch.float32.itemsize))

    def normalise(self, images: Tensor) -> Tensor:
        """Map uint8 images (N, C, H, W) to float32 (x − mean) / std, in channels-last order."""
        images = images.to(torch.float32, memory_format=torch.channels_last)
        return (images - self.mean) / self.std


def _share(batch: range, rank: int, world: int) -> range:
    """Return the part of process `rank` of `world`; the first ones may have one image more."""
    size, larger = divmod(len(batch), world)
    start = rank * size + min(rank, larger)
    return batch[start : start + size + (rank < larger)]
