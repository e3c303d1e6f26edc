"""A frozen prefix of a network: what it makes of every image is computed once and reused."""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn

from cnn_anatomy.data import ImageData, ImageSet
from cnn_anatomy.data.batches import Batches
from cnn_anatomy.networks import Network
from cnn_anatomy.networks.pooling import Stochastic
from cnn_anatomy.training.classifier import Classifier

LIMIT = 2 * 2**30  # bytes of activations that are kept in memory
RANDOM = (nn.modules.dropout._DropoutNd, Stochastic)


class Activations(Batches):
    """Batches of activations float32 (N, C, H, W), in the order of the images they are of."""

    def normalise(self, images: Tensor) -> Tensor:
        """Return them as they are."""
        return images


class RememberPrefix(pl.Callback):
    """Trains what follows a frozen prefix on the prefix's activations, computed once.

    Only where they would be the same at each epoch: images are not augmented, nothing in the
    prefix draws at random or thaws; and where they fit `limit` bytes. Testing runs all of the
    network.
    """

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit

    def setup(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Compute the activations of training and validation images."""
        data: Any = getattr(trainer, "datamodule", None)
        if stage != "fit" or not isinstance(data, ImageData) or data.augment is not None:
            return
        assert isinstance(module, Classifier)
        if module.thaws:
            return
        after = frozen_stages(module.train().network)
        if after is None:
            return
        module.to(trainer.strategy.root_device)
        splits = data.load()
        if not self._fits(data, module, after, len(splits.train) + len(splits.val)):
            return
        for name, split in (("train", splits.train), ("val", splits.val)):
            with trainer.precision_plugin.forward_context():
                maps = _maps(data.batches(split), module, after)
            data.remembered[name] = Activations(
                ImageSet(maps, split.labels),
                data.batch_size if name == "train" else data.eval_batch_size,
                data.mean,
                data.std,
                shuffle=name == "train",
                seed=data.seed,
                device=trainer.strategy.root_device,
            )
        module.after = after

    def teardown(self, trainer: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Go back to images."""
        if stage == "fit" and isinstance(module, Classifier):
            module.after = None
            data: Any = getattr(trainer, "datamodule", None)
            if isinstance(data, ImageData):
                data.remembered.clear()

    def _fits(self, data: ImageData, module: Classifier, after: int, count: int) -> bool:
        image = torch.zeros(1, *data.shape, device=module.device)
        with torch.no_grad():
            one = module.eval().network.prefix(image, after)
        module.train()
        return one.numel() * 4 * count <= self.limit


def frozen_stages(network: Network) -> int | None:
    """Return after how many leading stages the frozen prefix ends, None if it is not even the stem.

    It ends before the first auxiliary head, too, which must see its map.
    """
    tapped = min((int(k) for k in network.auxiliary), default=len(network.stages) + 1)
    found = None
    for k, part in enumerate([network.stem, *network.stages]):
        drawn = any(isinstance(m, RANDOM) for m in part.modules())
        trained = any(p.requires_grad for p in part.parameters())
        counting = any(
            m.training for m in part.modules() if next(m.buffers(False), None) is not None
        )
        if drawn or trained or counting or k >= tapped:
            break
        found = k
    return found


def _maps(batches: Batches, module: Classifier, after: int) -> Tensor:
    module.eval()
    with torch.no_grad():
        maps = [module.network.prefix(images, after).float() for images, _ in batches]
    module.train()
    return torch.cat(maps)
