"""The frozen prefix of a network: its activations are computed once and reused."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from cnn_anatomy.core.ranges import Count
from cnn_anatomy.data import ImageData, ImageSet
from cnn_anatomy.data.batches import Batches
from cnn_anatomy.networks import Network
from cnn_anatomy.networks.pooling import Stochastic
from cnn_anatomy.training.classifier import Classifier

RANDOM_LAYERS = (nn.modules.dropout._DropoutNd, Stochastic)


class Activations(Batches):
    """Batches of activations, float32 (N, C, H, W), in the order of their images."""

    def normalise(self, images: Tensor) -> Tensor:
        """Return the activations unchanged."""
        return images


class FrozenPrefixCache(Callback):
    """Computes a frozen prefix's activations once and trains the rest of the network on them.

    Does so only if every epoch would compute the same: images are not augmented, and nothing in
    the prefix is random or thawed later. Testing runs the whole network.

    Args:
        limit: bytes of memory that the activations may take; with more, nothing is cached.
    """

    def __init__(self, limit: Count) -> None:
        self.limit = limit

    def setup(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Compute the activations of the training and the validation images."""
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
        device = trainer.strategy.root_device
        for name, split in (("train", splits.train), ("val", splits.val)):
            train = name == "train"
            size = data.batch_size if train else data.eval_batch_size
            images = Batches(split, size, data.mean, data.std, device=device)
            with trainer.precision_plugin.forward_context():
                maps = _maps(images, module, after, fill=train)
            data.remembered[name] = Activations(
                ImageSet(maps, split.labels),
                size,
                data.mean,
                data.std,
                shuffle=train,
                seed=data.seed,
                device=device,
            )
        module.after = after

    def teardown(self, trainer: Trainer, module: LightningModule, stage: str) -> None:
        """Return to images."""
        if stage == "fit" and isinstance(module, Classifier):
            module.after = None
            data: Any = getattr(trainer, "datamodule", None)
            if isinstance(data, ImageData):
                data.remembered.clear()

    def _fits(self, data: ImageData, module: Classifier, after: int, count: int) -> bool:
        image = torch.zeros(1, *data.shape, device=module.device)
        with torch.no_grad():
            activations = module.eval().network.prefix(image, after)
        module.train()
        return activations.numel() * torch.float32.itemsize * count <= self.limit


def frozen_stages(network: Network) -> int | None:
    """Return the number of leading stages in the frozen prefix, None if there is no such prefix.

    The prefix ends before the first stage with an auxiliary head, which needs that stage's map.
    """
    if not network.enters_after_stages:
        return None
    first_tap = min((int(k) for k in network.auxiliary), default=len(network.stages) + 1)
    frozen = None
    for k, part in enumerate([network.stem, *network.stages]):
        random = any(isinstance(m, RANDOM_LAYERS) for m in part.modules())
        trained = any(p.requires_grad for p in part.parameters())
        updates_statistics = any(
            m.training for m in part.modules() if next(m.buffers(False), None) is not None
        )
        if random or trained or updates_statistics or k >= first_tap:
            break
        frozen = k
    return frozen


def _maps(batches: Batches, module: Classifier, after: int, *, fill: bool) -> Tensor:
    """Return the activations (N, C, H, W) of all images, float32.

    On a GPU the last digits of a convolution may depend on the batch's size. So batches have the
    size that they have if nothing is cached; with `fill`, the last one is filled up to it, too.
    """
    module.eval()
    maps = []
    with torch.no_grad():
        for images, _ in batches:
            n = len(images)
            if fill and n < batches.size:
                images = torch.cat([images, images[:1].expand(batches.size - n, -1, -1, -1)])
            maps.append(module.network.prefix(images, after)[:n].float())
    module.train()
    return torch.cat(maps)
