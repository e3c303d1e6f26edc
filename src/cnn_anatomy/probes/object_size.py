"""Accuracy by the object's size, and what each Inception branch has to do with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from cnn_anatomy.core.ranges import Size
from cnn_anatomy.networks.inception import BRANCHES, Inception
from cnn_anatomy.probes.evaluation import EvaluationProbe, artifacts, correct, tested_images


class SizeProbe(EvaluationProbe):
    """Splits the test images into `bins` of equally many by the side of the object's box.

    | metric | meaning |
    |---|---|
    | `accuracy/small`, `accuracy/large` | accuracy in the lowest and the highest bin |
    | `knockout/<branch>` | what accuracy loses when the branch of every module gives zeros |
    | `knockout/size_interaction` | see below, with Inception modules only |

    With the loss L(branch, bin) of accuracy, the interaction is (L(5×5, large) − L(5×5, small)) −
    (L(1×1, large) − L(1×1, small)): above zero, large objects lean on the large kernel more than
    small ones do. Ablation by zeroing as in Morcos et al. 2018, section 2. The artifact
    `sizes.parquet` has a row for every knocked-out branch (or `none`) and bin. Silent where the
    data set has no boxes.
    """

    def __init__(self, bins: Size = 3) -> None:
        self.bins = bins

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Test whole, and without each branch."""
        boxes = tested_images(trainer).boxes
        if boxes is None:
            return {}
        sides = (boxes[:, 2] - boxes[:, 0]).numpy()
        tables = {"none": self._table(sides, correct(trainer, module))}
        modules = [m for m in module.modules() if isinstance(m, Inception)]
        for branch in BRANCHES if modules else ():
            with silenced([getattr(m, branch) for m in modules]):
                tables[branch] = self._table(sides, correct(trainer, module))
        frame = pd.concat([t.assign(knockout=name) for name, t in tables.items()])
        with artifacts(trainer) as folder:
            frame.to_parquet(folder / "sizes.parquet", index=False)
        return summary({name: table.accuracy.to_numpy() for name, table in tables.items()})

    def _table(self, sides: np.ndarray, right: Tensor) -> pd.DataFrame:
        order = pd.qcut(pd.Series(sides).rank(method="first"), self.bins, labels=False)
        grouped = pd.DataFrame({"side": sides, "right": right.cpu().numpy()}).groupby(order)
        return pd.DataFrame(
            {
                "size_low": grouped.side.min(),
                "size_high": grouped.side.max(),
                "n": grouped.size(),
                "accuracy": grouped.right.mean(),
            }
        )


def summary(accuracy: dict[str, np.ndarray]) -> dict[str, float]:
    """Return the metrics of accuracies by bin (B,), whole (`none`) and without each branch."""
    whole = accuracy["none"]
    metrics = {"accuracy/small": whole[0], "accuracy/large": whole[-1]}
    losses = {name: whole - without for name, without in accuracy.items() if name != "none"}
    if losses:
        lean = {name: loss[-1] - loss[0] for name, loss in losses.items()}
        metrics |= {f"knockout/{name}": loss.mean() for name, loss in losses.items()}
        metrics["knockout/size_interaction"] = lean["branch5"] - lean["branch1"]
    return {name: float(value) for name, value in metrics.items()}


@contextmanager
def silenced(modules: list[nn.Module]) -> Iterator[None]:
    """Make `modules` return zeros."""
    hooks = [m.register_forward_hook(lambda m, i, out: torch.zeros_like(out)) for m in modules]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()
