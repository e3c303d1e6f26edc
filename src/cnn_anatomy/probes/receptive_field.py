"""How much of an image the last feature map sees."""

from __future__ import annotations

import lightning.pytorch as pl
import torch
from torch import Tensor

from cnn_anatomy.core.ranges import Size
from cnn_anatomy.networks.interface import Network
from cnn_anatomy.probes.evaluation import EvaluationProbe, tested_batches
from cnn_anatomy.probes.float32 import float32
from cnn_anatomy.training.classifier import Classifier


class ReceptiveFieldProbe(EvaluationProbe):
    """Measures the receptive field on the first `images` test images.

    | metric | meaning |
    |---|---|
    | `receptive_field` | side in pixels of what the centre of the last map depends on |

    It is the longer side of the box around all pixels whose gradient is not zero (Luo et al. 2016,
    section 2), so that it is at most the image's. Logs nothing of a network whose stages return no
    feature map.
    """

    def __init__(self, images: Size = 32) -> None:
        self.images = images

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Measure in float32."""
        assert isinstance(module, Classifier)
        images, _ = next(tested_batches(trainer))
        with float32(module):
            side = receptive_field(module.network, images[: self.images].float())
        return {} if side is None else {"receptive_field": float(side)}


@torch.inference_mode(mode=False)
@torch.enable_grad()
def receptive_field(network: Network, images: Tensor) -> int | None:
    """Return the side in pixels of what the centre of the last map depends on.

    Args:
        network: in evaluation mode.
        images: (N, C, H, W).
    """
    images = images.clone().requires_grad_()
    maps = network.maps(images)
    if not maps:
        return None
    last = maps[max(maps)]
    height, width = last.shape[-2:]
    (gradient,) = torch.autograd.grad(last[..., height // 2, width // 2].sum(), images)
    seen = (gradient != 0).any(0).any(0)
    return max(_extent(seen.any(0)), _extent(seen.any(1)))


def _extent(seen: Tensor) -> int:
    """Return how far it is from the first to the last true element of `seen` (L,)."""
    places = seen.nonzero()
    return int(places.max() - places.min()) + 1 if len(places) else 0
