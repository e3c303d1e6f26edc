"""Images in memory: one split of a data set, and its three splits together."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class ImageSet:
    """One split: images uint8 (N, C, H, W), labels int64 (N,), boxes int64 (N, 4) or None.

    The box of the labelled object is x0, y0, x1, y1 in pixels; x1 and y1 are excluded.
    """

    images: Tensor
    labels: Tensor
    boxes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.labels)

    def subset(self, indices: Tensor) -> ImageSet:
        """Return the images at `indices` (M,)."""
        boxes = None if self.boxes is None else self.boxes[indices]
        return ImageSet(self.images[indices], self.labels[indices], boxes)

    def only_classes(self, classes: Sequence[int]) -> ImageSet:
        """Return the images of `classes`, relabelled from 0 in the order of `classes`."""
        wanted = torch.tensor(list(classes))
        kept = self.subset(torch.isin(self.labels, wanted).nonzero().squeeze(1))
        renumbered = (kept.labels[:, None] == wanted).int().argmax(1)
        return replace(kept, labels=renumbered)

    def first_of_each(self, limit: int, seed: int) -> ImageSet:
        """Return at most `limit` images, drawn at random in the proportion of the classes."""
        if limit >= len(self):
            return self
        _, drawn = stratified(self.labels, limit / len(self), seed)
        return self.subset(drawn)

    def digest(self) -> str:
        """Return 16 hexadecimal digits of the SHA-256 of images and labels."""
        digest = hashlib.sha256(self.images.numpy().tobytes())
        digest.update(self.labels.numpy().tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Splits:
    """Training, validation and test images, and the names of the classes."""

    train: ImageSet
    val: ImageSet
    test: ImageSet
    classes: tuple[str, ...]


def hold_out(train: ImageSet, fraction: float, seed: int) -> tuple[ImageSet, ImageSet]:
    """Split `fraction` of the training images off, class by class: (rest, held out).

    Of a class with two images or more at least one is held out, and at least one is left.
    """
    rest, held = stratified(train.labels, fraction, seed, least=1)
    return train.subset(rest), train.subset(held)


def stratified(labels: Tensor, fraction: float, seed: int, least: int = 0) -> tuple[Tensor, Tensor]:
    """Return the indices of (the rest, `fraction` of each class), each in rising order.

    On either side a class has `least` images or more, if it has twice as many in all.
    """
    order = np.random.RandomState(seed).permutation(len(labels))
    rest, held_out = [], []
    for label in np.unique(labels.numpy()):
        members = order[labels.numpy()[order] == label]
        cut = round(len(members) * fraction)
        if len(members) >= 2 * least:
            cut = min(max(cut, least), len(members) - least)
        held_out.append(members[:cut])
        rest.append(members[cut:])
    return (
        torch.from_numpy(np.sort(np.concatenate(rest))),
        torch.from_numpy(np.sort(np.concatenate(held_out))),
    )
