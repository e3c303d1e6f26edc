"""The LightningDataModule for every data set."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import lightning.pytorch as pl
import torch

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.notices import notice
from cnn_anatomy.core.ranges import Count, Fraction, Positive, Seed, Size
from cnn_anatomy.data.augment import Augmentation
from cnn_anatomy.data.batches import Batches
from cnn_anatomy.data.images import ImageSet, Splits

LEVELS = 255  # the brightest pixel


class ImageData(pl.LightningDataModule):
    """Loads the splits of a source once and returns batches of them.

    Args:
        source: returns the splits when called.
        batch_size: of training, shared by all processes.
        eval_batch_size: of validation and testing.
        augment: see `Batches`; used in training only.
        classes: the labels to keep, renumbered from 0 in this order; None for all.
        mean: of the channels of pixels from 0 to 1, which is taken off; None for that of the
            training images.
        std: by which they are then divided; None for that of the training images.
        train_limit: the largest number of training images, in the proportion of the classes.
        seed: of order and augmentation.

    Raises:
        ConfigError: if `classes` names a label that the data set does not have, a split is empty
            or a label out of range.
    """

    def __init__(
        self,
        source: Callable[[], Splits],
        batch_size: Size = 128,
        eval_batch_size: Size = 500,
        augment: Augmentation | None = None,
        classes: Sequence[Count] | None = None,
        train_limit: Size | None = None,
        test_limit: Size | None = None,
        mean: Sequence[Fraction] | None = None,
        std: Sequence[Positive] | None = None,
        seed: Seed = 0,
    ) -> None:
        super().__init__()
        self.source = source
        self.batch_size = batch_size
        self.eval_batch_size = eval_batch_size
        self.augment = augment
        self.classes = classes
        self.train_limit = train_limit
        self.test_limit = test_limit
        self.channel_mean = mean
        self.channel_std = std
        self.seed = seed
        self.splits: Splits | None = None
        self.remembered: dict[str, Batches] = {}  # what stands in for a split's own batches

    def load(self) -> Splits:
        """Return the splits, loaded at the first call."""
        if self.splits is not None:
            return self.splits
        splits = self.source()
        if self.classes is not None:
            absent = [c for c in self.classes if not 0 <= c < len(splits.classes)]
            if absent or len(set(self.classes)) < max(2, len(self.classes)):
                raise ConfigError(
                    f"data.classes={list(self.classes)} must name two or more of the labels "
                    f"0 to {len(splits.classes) - 1}, each once"
                )
            splits = Splits(
                splits.train.only_classes(self.classes),
                splits.val.only_classes(self.classes),
                splits.test.only_classes(self.classes),
                classes=tuple(splits.classes[c] for c in self.classes),
            )
        train, test = splits.train, splits.test
        if self.train_limit is not None:
            train = train.first_of_each(self.train_limit, seed=0)
        if self.test_limit is not None:
            test = test.first_of_each(self.test_limit, seed=0)
        splits = Splits(train, splits.val, test, splits.classes)
        _require_whole(splits)
        self.splits = splits
        pixels = train.images[:5000].float()
        self.mean = pixels.mean((0, 2, 3))
        self.std = pixels.std((0, 2, 3)).clamp_min(1.0)
        if self.channel_mean is not None:
            self.mean = _channel_values("data.mean", self.channel_mean, len(self.mean))
        if self.channel_std is not None:
            self.std = _channel_values("data.std", self.channel_std, len(self.std))
        return self.splits

    def setup(self, stage: str | None = None) -> None:
        """Load the splits (Lightning's hook)."""
        self.load()

    @property
    def shape(self) -> tuple[int, int, int]:
        """(C, H, W) of an image."""
        _, channels, height, width = self.load().train.images.shape
        return channels, height, width

    def batches(self, data: ImageSet, *, train: bool = False) -> Batches:
        """Return normalised batches of `data` on the trainer's device, not shared by processes."""
        self.load()
        return Batches(
            data,
            self.batch_size if train else self.eval_batch_size,
            self.mean,
            self.std,
            shuffle=train,
            augment=self.augment if train else None,
            seed=self.seed,
            device=self.trainer.strategy.root_device if self.trainer else "cpu",
        )

    def train_dataloader(self) -> Batches:
        """Return this process's share of shuffled, augmented training batches."""
        return self._share(
            self.remembered.get("train") or self.batches(self.load().train, train=True)
        )

    def val_dataloader(self) -> Batches:
        """Return this process's share of the validation batches."""
        return self._share(self.remembered.get("val") or self.batches(self.load().val))

    def test_dataloader(self) -> list[Batches]:
        """Return the test batches, and batches of training images without augmentation."""
        return [self._share(self.batches(s)) for s in (self.load().test, self.load().train)]

    def _share(self, batches: Batches) -> Batches:
        trainer = self.trainer
        return batches.part(trainer.global_rank, trainer.world_size) if trainer else batches


def _channel_values(key: str, values: Sequence[float], channels: int) -> torch.Tensor:
    """Return what is given for pixels from 0 to 1 as a tensor (C,) for pixels from 0 to 255.

    Raises:
        ConfigError: naming `key`, if there is not a value for each of the channels.
    """
    if len(values) != channels:
        raise ConfigError(
            f"{key}={list(values)} has {len(values)} values: these images have {channels} channels"
        )
    return torch.tensor(values) * LEVELS


def _require_whole(splits: Splits) -> None:
    """Refuse what can't be trained on or measured with; say which classes a split lacks.

    Raises:
        ConfigError: if a split is empty, a label is none of the classes, or all pixels of a split
            are the same.
    """
    for name in ("train", "val", "test"):
        split: ImageSet = getattr(splits, name)
        if not len(split):
            raise ConfigError(
                f"data: the {name} split is empty: more images are needed, or a larger "
                "data.train_limit or data.source.validation"
            )
        low, high = int(split.labels.min()), int(split.labels.max())
        if low < 0 or high >= len(splits.classes):
            raise ConfigError(
                f"data: the {name} split has labels from {low} to {high}, but its "
                f"{len(splits.classes)} classes are 0 to {len(splits.classes) - 1}"
            )
        if split.images.min() == split.images.max():
            raise ConfigError(
                f"data: all pixels of the {name} split are {int(split.images.min())}: its images "
                "show nothing"
            )
        absent = sorted(set(range(len(splits.classes))) - set(split.labels.tolist()))
        if absent:
            shown = ", ".join(splits.classes[label] for label in absent[:5])
            more = ", …" if len(absent) > 5 else ""
            notice(f"data: the {name} split has no image of class {shown}{more}")
