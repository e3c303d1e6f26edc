"""The size of the gradient in every weight layer."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from cnn_anatomy.core.notices import notice
from cnn_anatomy.core.ranges import Size
from cnn_anatomy.distributed.process_group import average
from cnn_anatomy.networks.interface import weight_layers
from cnn_anatomy.networks.undisturbed import undisturbed
from cnn_anatomy.probes.float32 import float32
from cnn_anatomy.probes.logged import log
from cnn_anatomy.training.classifier import Classifier


class GradientProbe(pl.Callback):
    """Records the root mean square of ∂L/∂W of every weight layer, in forward order.

    RMS = ‖∂L/∂W‖₂ / √size, after unscaling and before clipping, where L includes auxiliary terms;
    the measure of Glorot & Bengio 2010, section 4.2, for weights. Measured every `every` steps, and
    once in the untrained network on the first batch (step 0).

    | metric, after each epoch | meaning |
    |---|---|
    | `gradient/first`, `gradient/last` | epoch mean in the first and the last convolution |
    | `gradient/decay` | slope of log10 RMS against depth (0 first layer, 1 last), in decades |
    | `gradient/stage_<k>` | epoch mean over the layers of stage k |
    | `untrained/gradient/…` | the same before training, once |

    A positive decay means that the gradient vanishes toward the input, a negative one that it
    explodes. `frame()` has every layer and measured step; no step waits for the device.

    The untrained gradient is computed in float32 whatever `trainer.precision` is, so that it is the
    same on every machine up to the order of sums. The other records are of training's own
    gradients, with the rounding of training's precision: with bfloat16 (8 bits) some per cent of
    a layer's RMS, and more the deeper the network.
    """

    def __init__(self, every: Size = 4) -> None:
        self.every = every
        self.records: list[tuple[int, int, Tensor]] = []

    def state_dict(self) -> dict[str, Any]:
        """Return the records, which a resumed run continues."""
        return {"records": [(epoch, step, norms.cpu()) for epoch, step, norms in self.records]}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore a checkpoint's records."""
        self.records = list(state["records"])

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Find the weight layers in forward order."""
        assert isinstance(module, Classifier)
        shape = trainer.datamodule.shape  # type: ignore[attr-defined]
        image = torch.zeros(1, *shape, device=module.device)
        layers = weight_layers(module.network, image)
        module.train()
        self.names = [name for name, _ in layers]
        self.weights = [layer.weight for _, layer in layers]
        self.device = module.device
        self.roots = torch.tensor([math.sqrt(w.numel()) for w in self.weights])  # type: ignore[operator]
        self.convolutions = [i for i, (_, m) in enumerate(layers) if isinstance(m, nn.Conv2d)]
        self.stages = [module.network.stage_of(name) for name in self.names]
        if not self.convolutions:
            notice("gradient/first, gradient/last: absent, as this network runs no convolution")

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure the untrained network and restore its state."""
        assert isinstance(module, Classifier)
        if trainer.global_step:
            return
        batch = next(iter(trainer.datamodule.train_dataloader()))  # type: ignore[attr-defined]
        with float32(module), undisturbed(module):
            loss, _ = module.loss(batch)
            loss.backward()
            average([w.grad for w in self.weights if isinstance(w.grad, Tensor)])
            self._record(epoch=-1, step=0)
            module.zero_grad()
        self._log(trainer, epoch=-1)

    def on_before_optimizer_step(
        self, trainer: pl.Trainer, module: pl.LightningModule, optimizer: Optimizer
    ) -> None:
        """Record this step's norms, on the device."""
        if trainer.global_step % self.every == 0:
            self._record(trainer.current_epoch, trainer.global_step)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log the epoch's means."""
        self._log(trainer, trainer.current_epoch)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log every record as an artifact of the run."""
        if not trainer.loggers or not self.names:
            return
        # Imported here, as they load Matplotlib and MLflow, which measuring does not need.
        from cnn_anatomy.report.figures.gradients import run_heatmap
        from cnn_anatomy.results.run_files import gradients_by_epoch

        frame = self.frame()
        with tempfile.TemporaryDirectory() as folder:
            frame.to_parquet(Path(folder) / "gradients.parquet", index=False)
            run_heatmap(gradients_by_epoch(frame), Path(folder) / "gradients")
            for logger in trainer.loggers:
                if hasattr(logger, "log_folder"):
                    logger.log_folder(folder)

    def frame(self) -> pd.DataFrame:
        """Return a row per record: epoch (−1: untrained), step, layer, name, depth, stage, rms."""
        count = len(self.names)
        rows = []
        for epoch, step, norms in self.records:
            rms = (norms.float().cpu() / self.roots).tolist()
            rows += [
                (epoch, step, i, self.names[i], i / max(count - 1, 1), self.stages[i], rms[i])
                for i in range(count)
            ]
        columns = ["epoch", "step", "layer", "name", "depth", "stage", "rms"]
        return pd.DataFrame(rows, columns=columns)

    def _record(self, epoch: int, step: int) -> None:
        absent = torch.full((), math.nan, device=self.device)  # a copy would wait for the device
        live = [w.grad for w in self.weights if w.grad is not None]
        norms = iter(torch._foreach_norm(live) if live else ())  # type: ignore[arg-type]
        if not self.names:
            return
        values = [absent if w.grad is None else next(norms).float() for w in self.weights]
        self.records.append((epoch, step, torch.stack(values).detach()))

    def _log(self, trainer: pl.Trainer, epoch: int) -> None:
        norms = [values for e, _, values in self.records if e == epoch]
        if not norms or not self.names:
            return
        rms = (torch.stack(norms).float().mean(0).cpu() / self.roots).numpy()
        metrics = {"gradient/decay": decay(rms)}
        if self.convolutions:
            metrics["gradient/first"] = rms[self.convolutions[0]]
            metrics["gradient/last"] = rms[self.convolutions[-1]]
        for stage in sorted({s for s in self.stages if s > 0}):
            in_stage = [s == stage for s in self.stages]
            metrics[f"gradient/stage_{stage}"] = rms[in_stage].mean()
        finite = {k: float(v) for k, v in metrics.items() if np.isfinite(v)}
        log(trainer, finite, epoch)


def decay(rms: np.ndarray) -> float:
    """Return the least-squares slope of log10 RMS (L,) against depth 0 … 1, in decades.

    Layers without a gradient (frozen, or exactly zero) are left out. NaN if fewer than two remain.
    """
    depth = np.linspace(0, 1, len(rms))
    positive = np.isfinite(rms) & (rms > 0)
    if positive.sum() < 2:
        return float("nan")
    return float(np.polyfit(depth[positive], np.log10(rms[positive]), 1)[0])
