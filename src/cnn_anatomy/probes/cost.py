"""Logs the cost of a network."""

from __future__ import annotations

import lightning.pytorch as pl
import torch

from cnn_anatomy.networks.cost import macs, parameter_count
from cnn_anatomy.networks.receptive_field import receptive_field
from cnn_anatomy.training.classifier import Classifier


class CostProbe(pl.Callback):
    """Logs the cost of the tested network, once, at step 0.

    | metric | meaning |
    |---|---|
    | `params/total` | parameters, without the auxiliary heads, which testing drops |
    | `params/auxiliary` | parameters of the auxiliary heads |
    | `params/trainable` | trainable parameters in `params/total`, including those thawed later |
    | `params/head` | parameters of the head |
    | `macs` | multiply-adds of the forward pass of one image |
    | `receptive_field` | width in pixels of what a unit of the last map depends on, if limited |
    """

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Count and log before training."""
        self._log(trainer, module)

    def on_test_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Count and log where nothing was trained; a logger keeps what it has."""
        self._log(trainer, module)

    def _log(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        assert isinstance(module, Classifier)
        network, training = module.network, module.training
        shape = trainer.datamodule.shape  # type: ignore[attr-defined]
        image = torch.zeros(1, *shape, device=module.device)
        side = parameter_count(network.auxiliary)
        trained = set(module.trained())
        trained_side = parameter_count(network.auxiliary, trained)
        metrics = {
            "params/total": parameter_count(network) - side,
            "params/auxiliary": side,
            "params/trainable": parameter_count(network, trained) - trained_side,
            "params/head": parameter_count(network.head),
            "macs": macs(network, image),
        }
        reach = receptive_field(network, image)
        if reach is not None:
            metrics["receptive_field"] = reach
        module.train(training)
        for logger in trainer.loggers:
            logger.log_metrics({k: float(v) for k, v in metrics.items()}, step=0)
