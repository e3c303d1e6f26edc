"""Accuracy on images that are zoomed or noisy, unlike those of training."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import lightning.pytorch as pl
import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor

from cnn_anatomy.core.ranges import ByteLevel, Positive
from cnn_anatomy.probes.evaluation import EvaluationProbe, artifacts, correctly_classified


class RobustnessProbe(EvaluationProbe):
    """Tests on zoomed and on noisy images, at several levels each.

    After Hendrycks & Dietterich 2019, section 4: kinds and severities of corruption that training
    doesn't show. The artifact `robustness.parquet` has a row for every kind and level.

    | metric | meaning |
    |---|---|
    | `accuracy/scale`, `accuracy/noise` | mean accuracy over the levels |
    | `drop/scale`, `drop/noise` | 1 − that ÷ accuracy on the test images as they are |
    | `drop/test` | 1 − test accuracy ÷ validation accuracy |

    A drop is relative, so that a network does not gain by being more accurate to begin with. It is
    NaN if no image is classified correctly to begin with.

    Args:
        zooms: magnifications about the image's centre; below 1 the edges are reflected.
        noises: standard deviations of Gaussian noise, in units of 0 to 255.
    """

    def __init__(
        self,
        zooms: Sequence[Positive] = (0.6, 0.75, 1.25, 1.5),
        noises: Sequence[ByteLevel] = (20, 40, 60, 80),
    ) -> None:
        self.zooms = zooms
        self.noises = noises

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Test at every level."""
        std = trainer.datamodule.std.mean().item()  # type: ignore[attr-defined]
        changes: list[tuple[str, float, Callable[[Tensor], Tensor]]] = [
            *(("scale", factor, partial(zoom, factor=factor)) for factor in self.zooms),
            *(("noise", level, partial(noise, sigma=level / std)) for level in self.noises),
        ]
        rows = [
            (
                kind,
                float(level),
                correctly_classified(trainer, module, change).float().mean().item(),
            )
            for kind, level, change in changes
        ]
        frame = pd.DataFrame(rows, columns=["kind", "level", "accuracy"])
        with artifacts(trainer) as folder:
            frame.to_parquet(folder / "robustness.parquet", index=False)
        means = {str(kind): float(x) for kind, x in frame.groupby("kind").accuracy.mean().items()}
        tested = correctly_classified(trainer, module).float().mean().item()
        validated = _validation_accuracy(trainer, module)
        return {
            **{f"accuracy/{kind}": accuracy for kind, accuracy in means.items()},
            **{f"drop/{kind}": drop(accuracy, tested) for kind, accuracy in means.items()},
            "drop/test": drop(tested, validated),
        }


def drop(accuracy: float, reference: float) -> float:
    """Return which part of the `reference` accuracy is lost; NaN if that is zero."""
    return 1 - accuracy / reference if reference else float("nan")


def _validation_accuracy(trainer: pl.Trainer, module: pl.LightningModule) -> float:
    data = trainer.datamodule  # type: ignore[attr-defined]
    batches = data.batches(data.load().val)
    right = [module(images).argmax(1) == labels for images, labels in batches]
    return torch.cat(right).float().mean().item()


def zoom(images: Tensor, factor: float) -> Tensor:
    """Magnify images (N, C, H, W) about their centre, bilinear, edges reflected."""
    n = len(images)
    theta = torch.tensor([[1 / factor, 0, 0], [0, 1 / factor, 0]], device=images.device)
    grid = F.affine_grid(theta.expand(n, 2, 3), list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, padding_mode="reflection", align_corners=False)


def noise(images: Tensor, sigma: float) -> Tensor:
    """Add Gaussian noise to images (N, C, H, W), the same draw at every call."""
    generator = torch.Generator().manual_seed(0)
    return images + sigma * torch.randn(images.shape, generator=generator).to(images.device)
