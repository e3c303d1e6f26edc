"""What a network costs: parameters and multiply-adds."""

from __future__ import annotations

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from cnn_anatomy.networks.network import Network
from cnn_anatomy.training.classifier import Classifier


def macs(network: Network, image: Tensor) -> int:
    """Return the multiply-adds of one image (1, C, H, W) forward, half of PyTorch's FLOPs."""
    training = network.training
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        network.eval()(image)
    network.train(training)
    return counter.get_total_flops() // 2


def parameters(module: nn.Module, among: set[nn.Parameter] | None = None) -> int:
    """Return the number of parameters, of those `among` only if given."""
    return sum(p.numel() for p in module.parameters() if among is None or p in among)


class CostProbe(pl.Callback):
    """Logs once, at step 0, the cost of the network as it is tested.

    | metric | meaning |
    |---|---|
    | `params/total` | all parameters but the auxiliary heads', which testing drops |
    | `params/auxiliary` | those of the auxiliary heads |
    | `params/trainable` | of `params/total`, those that are trained, be it from later on |
    | `params/head` | of `params/total`, those of the head |
    | `macs` | multiply-adds of one image, forward |
    """

    def on_fit_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Count and log."""
        assert isinstance(module, Classifier)
        network = module.network
        shape = trainer.datamodule.shape  # type: ignore[attr-defined]
        image = torch.zeros(1, *shape, device=module.device)
        side = parameters(network.auxiliary)
        trained = set(module.trained())
        metrics = {
            "params/total": parameters(network) - side,
            "params/auxiliary": side,
            "params/trainable": parameters(network, trained)
            - parameters(network.auxiliary, trained),
            "params/head": parameters(network.head),
            "macs": macs(network, image),
        }
        module.train()
        for logger in trainer.loggers:
            logger.log_metrics({k: float(v) for k, v in metrics.items()}, step=0)
