"""Accuracy by the size of the object, with and without each Inception branch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from cnn_anatomy.core.ranges import Size
from cnn_anatomy.networks.inception import BRANCHES, Inception
from cnn_anatomy.probes.evaluation import (
    EvaluationProbe,
    artifacts,
    correctly_classified,
    tested_images,
)
from cnn_anatomy.probes.hooks import outputs_replaced


class ObjectSizeProbe(EvaluationProbe):
    """Splits the test images into `bins` by the side of the object's box.

    The bins are as equal in number as they can be without one side in two bins.

    | metric | meaning |
    |---|---|
    | `accuracy/small`, `accuracy/large` | accuracy in the lowest and the highest bin |
    | `accuracy/size_difference` | `accuracy/large` − `accuracy/small` |
    | `knockout/<branch>` | mean over bins of the drop in accuracy if this branch returns zeros |
    | `knockout/size_interaction` | see below; only networks with Inception modules have it |

    With D(branch, bin), the drop in accuracy, the interaction is (D(5×5, large) − D(5×5, small)) −
    (D(1×1, large) − D(1×1, small)). It is above zero if large objects depend on the large kernel
    more than small objects do. Ablation by zeroing is that of Morcos et al. 2018, section 2. The
    artifact `object_size.parquet` has a row for every branch (or `none`) and bin. Logs nothing if
    images have no boxes.
    """

    def __init__(self, bins: Size = 3) -> None:
        self.bins = bins

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Test the whole network, then without each branch."""
        boxes = tested_images(trainer).boxes
        if boxes is None:
            return {}
        sides = (boxes[:, 2] - boxes[:, 0]).numpy()
        tables = {"none": self._table(sides, correctly_classified(trainer, module))}
        modules = [m for m in module.modules() if isinstance(m, Inception)]
        for branch in BRANCHES if modules else ():
            with silenced([getattr(m, branch) for m in modules]):
                tables[branch] = self._table(sides, correctly_classified(trainer, module))
        frame = pd.concat([t.assign(knockout=name) for name, t in tables.items()])
        with artifacts(trainer) as folder:
            frame.to_parquet(folder / "object_size.parquet", index=False)
        return accuracy_metrics({name: table.accuracy.to_numpy() for name, table in tables.items()})

    def _table(self, sides: np.ndarray, right: Tensor) -> pd.DataFrame:
        grouped = pd.DataFrame({"side": sides, "right": right.cpu().numpy()}).groupby(
            size_bins(sides, self.bins)
        )
        return pd.DataFrame(
            {
                "size_low": grouped.side.min(),
                "size_high": grouped.side.max(),
                "n": grouped.size(),
                "accuracy": grouped.right.mean(),
            }
        )


def size_bins(sides: np.ndarray, bins: int) -> np.ndarray:
    """Return the bin (N,) of each side (N,): its quantile, which equal sides share.

    There are fewer than `bins` if there are fewer different sides, or if one is very frequent.
    """
    edges = np.quantile(sides, np.arange(1, bins) / bins, method="inverted_cdf")
    return np.searchsorted(np.unique(edges), sides, side="left")


def accuracy_metrics(accuracy: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the metrics of the accuracies by bin (B,) of the whole network (`none`) and others."""
    whole = accuracy["none"]
    metrics = {
        "accuracy/small": whole[0],
        "accuracy/large": whole[-1],
        "accuracy/size_difference": whole[-1] - whole[0],
    }
    drops = {name: whole - without for name, without in accuracy.items() if name != "none"}
    if drops:
        slopes = {name: drop[-1] - drop[0] for name, drop in drops.items()}
        metrics |= {f"knockout/{name}": drop.mean() for name, drop in drops.items()}
        metrics["knockout/size_interaction"] = slopes["branch5"] - slopes["branch1"]
    return {name: float(value) for name, value in metrics.items()}


def silenced(modules: Sequence[nn.Module]) -> AbstractContextManager[None]:
    """Make `modules` return zeros within the block."""
    return outputs_replaced(modules, lambda module, inputs, output: torch.zeros_like(output))
