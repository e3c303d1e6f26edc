"""What auxiliary classifiers add to the gradient of the first layer."""

from __future__ import annotations

import lightning.pytorch as pl
import torch

from cnn_anatomy.core.notices import notice
from cnn_anatomy.distributed.process_group import average
from cnn_anatomy.networks.interface import weight_layers
from cnn_anatomy.networks.undisturbed import undisturbed
from cnn_anatomy.probes.float32 import float32
from cnn_anatomy.probes.logged import log
from cnn_anatomy.training.classifier import Classifier


class AuxiliaryGradientProbe(pl.Callback):
    """Splits the first convolution's gradient by the loss that it comes from.

    Measured on the first training batch, before training (step 0) and after each epoch:
    `gradient/auxiliary_share_<k>` = ‖w ∂L_k/∂W‖ ÷ (‖∂L/∂W‖ + Σ_k ‖w ∂L_k/∂W‖), where L is the main
    loss, L_k the loss of the k-th auxiliary head and w its weight. `gradient/auxiliary_share` is
    their sum: 0 if auxiliary heads add nothing, 1 if the gradient comes from them alone. Computed
    in float32 whatever `trainer.precision` is, with the weights that training has reached.
    """

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure the untrained network."""
        if not trainer.global_step:
            self._log(trainer, module, epoch=-1)

    def on_train_epoch_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure after an epoch."""
        self._log(trainer, module, trainer.current_epoch)

    def _log(self, trainer: pl.Trainer, module: pl.LightningModule, epoch: int) -> None:
        assert isinstance(module, Classifier)
        images, labels = next(iter(trainer.datamodule.train_dataloader()))  # type: ignore[attr-defined]
        layers = weight_layers(module.network, images[:1])
        if not layers:
            notice("gradient/auxiliary_share: absent, as this network runs no weight layer")
            return
        weight = layers[0][1].weight
        assert isinstance(weight, torch.Tensor)
        if not weight.requires_grad:
            notice("gradient/auxiliary_share: absent while the first layer is frozen")
            return
        module.train()
        norms = []
        with float32(module), undisturbed(module):
            main, side, _ = module.losses((images, labels))
            for loss in (main, *side):
                (gradient,) = torch.autograd.grad(loss, [weight], retain_graph=True)
                average([gradient])
                norms.append(gradient.norm())
        shares = (torch.stack(norms) / torch.stack(norms).sum().clamp_min(1e-30)).tolist()
        metrics = {f"gradient/auxiliary_share_{k}": s for k, s in enumerate(shares[1:], 1)}
        metrics["gradient/auxiliary_share"] = sum(shares[1:])
        log(trainer, metrics, epoch)
