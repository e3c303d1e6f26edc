"""scikit-learn's 1,797 handwritten digits of 8×8 pixels."""

from __future__ import annotations

import torch
from sklearn.datasets import load_digits

from cnn_anatomy.core.ranges import Seed
from cnn_anatomy.data.images import ImageSet, Splits, hold_out


class Digits:
    """A source: returns the splits when called (60 % / 20 % / 20 %)."""

    def __init__(self, seed: Seed = 0) -> None:
        self.seed = seed

    def __call__(self) -> Splits:
        """Return the splits."""
        pixels, labels = load_digits(return_X_y=True)
        images = torch.from_numpy(pixels.reshape(-1, 1, 8, 8) * 255 / 16).to(torch.uint8)
        everything = ImageSet(images, torch.from_numpy(labels).long())
        rest, test = hold_out(everything, 0.2, self.seed)
        train, val = hold_out(rest, 0.25, self.seed)
        return Splits(train, val, test, tuple(str(d) for d in range(10)))
