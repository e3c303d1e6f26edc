"""The LightningModule that trains and tests any network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import lightning.pytorch as pl
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy
from torchmetrics.utilities import dim_zero_cat

from cnn_anatomy.networks import Network, Output
from cnn_anatomy.networks.auxiliary import Auxiliary
from cnn_anatomy.networks.freezing import thaw

Batch = tuple[Tensor, Tensor]


class MeanLoss(Metric):
    """The mean loss over images, from the mean and the size of each batch.

    Unlike torchmetrics' MeanMetric, it keeps NaN, so that a divergence shows, and still weights
    batches by size (https://github.com/Lightning-AI/torchmetrics/issues/3434).
    """

    losses: list[Tensor]
    sizes: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("losses", [], dist_reduce_fx="cat")
        self.add_state("sizes", [], dist_reduce_fx="cat")

    def update(self, loss: Tensor, size: int) -> None:
        """Add the mean loss of a batch of `size` images."""
        self.losses.append(loss)
        self.sizes.append(torch.tensor(float(size)))

    def compute(self) -> Tensor:
        """Return the mean."""
        losses, sizes = dim_zero_cat(self.losses).float().cpu(), dim_zero_cat(self.sizes).cpu()
        weights = sizes / sizes.max()  # exactly 1 where batches are equal
        total = sum((losses * weights).unbind(), start=torch.tensor(0.0))
        return total / weights.sum()


class Step(Protocol):
    """Another way to do what a training step does before its optimiser's."""

    def loss(self, batch: Batch) -> tuple[Tensor, Output]:
        """Return the training loss of a batch and the output, as `Classifier.loss` does."""
        ...

    def backward(self, loss: Tensor) -> None:
        """Set the gradients of that loss."""
        ...


class Classifier(pl.LightningModule):
    """Trains by cross-entropy plus weighted auxiliary losses; logs metrics once per epoch.

    Logs loss and accuracy as `train/*`, `val/*` and `test/*`. The test also logs
    `train/clean_accuracy` (training images without augmentation, in evaluation mode) and
    `gap/accuracy`, which is `train/clean_accuracy` minus `test/accuracy`.

    Args:
        network: maps images (N, C, H, W) to an `Output`.
        auxiliary: gives the weight of the auxiliary losses.
        classes: number of classes.
        optimizer: makes an optimiser of the trained parameters.
        scheduler: makes a schedule of (optimiser, steps); it advances with every step.
        steps: after so many steps training ends, with a validation.
        frozen: modules whose weights and statistics are held fixed.
        thaws: (fraction of training, frozen module) pairs: when each module starts to train.
    """

    def __init__(
        self,
        network: Network,
        *,
        auxiliary: Auxiliary,
        classes: int,
        optimizer: Callable[..., torch.optim.Optimizer],
        scheduler: Callable[..., Any],
        steps: int,
        frozen: Sequence[nn.Module] = (),
        thaws: Sequence[tuple[float, nn.Module]] = (),
    ) -> None:
        super().__init__()
        self.network = network
        self.auxiliary = auxiliary
        self.optimizer = optimizer
        self.scheduler = scheduler
        self.steps = steps
        self.frozen = list(frozen)
        self.thaws = list(thaws)
        # What an epoch logs at its end: training, and the last of its validations if it has one.
        self.epoch_metrics: dict[str, Tensor] = {}
        self.step: Step | None = None  # if set, training steps take it
        self.after: int | None = None  # batches hold the maps after this stage in place of images
        self.meters = nn.ModuleDict(
            {
                split: nn.ModuleDict(
                    {
                        "loss": MeanLoss(),
                        # Checking each batch's labels would wait for the device.
                        "accuracy": MulticlassAccuracy(
                            classes, average="micro", validate_args=False
                        ),
                    }
                )
                for split in ("fit", "val", "test", "clean")
            }
        )

    def forward(self, images: Tensor) -> Tensor:
        """Map images (N, C, H, W) to logits (N, classes)."""
        return self.network(images, self.after).logits

    @property
    def progress(self) -> float:
        """The fraction of training that is done, 0 to 1."""
        return self.global_step / self.steps

    def trained(self) -> list[nn.Parameter]:
        """Return the trained parameters, including those thawed later."""
        thawed_later = {p for _, module in self.thaws for p in module.parameters()}
        return [p for p in self.parameters() if p.requires_grad or p in thawed_later]

    @property
    def auxiliary_weight(self) -> float:
        """The present weight of the auxiliary losses."""
        return self.auxiliary.weight_at(self.progress)

    def losses(
        self, batch: Batch, weight: float | Tensor | None = None
    ) -> tuple[Tensor, tuple[Tensor, ...], Output]:
        """Return the cross-entropy, the weighted loss of each auxiliary head, and the output.

        `weight` stands in for `auxiliary_weight`.
        """
        images, labels = batch
        output: Output = self.network(images, self.after)
        weight = self.auxiliary_weight if weight is None else weight
        auxiliary = tuple(weight * F.cross_entropy(a, labels) for a in output.auxiliary)
        return F.cross_entropy(output.logits, labels), auxiliary, output

    def loss(self, batch: Batch, weight: float | Tensor | None = None) -> tuple[Tensor, Output]:
        """Return the training loss of a batch, auxiliary terms included, and the output."""
        main, auxiliary, output = self.losses(batch, weight)
        return main + torch.stack(auxiliary).sum() if auxiliary else main, output

    def train(self, mode: bool = True) -> Classifier:
        """Set the mode; frozen modules stay in evaluation mode."""
        super().train(mode)
        for module in self.frozen:
            module.eval()
        return self

    def on_train_epoch_start(self) -> None:
        """Keep frozen modules in evaluation mode: Lightning restores the modes module by module."""
        self.epoch_metrics = {}
        for module in self.frozen:
            module.eval()

    def on_train_batch_start(self, batch: Batch, batch_idx: int) -> None:
        """Thaw the modules whose time has come."""
        for fraction, module in self.thaws:
            if module in self.frozen and self.progress >= fraction:
                self.frozen.remove(module)
                thaw(module)

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the training loss of a batch."""
        loss, output = self.loss(batch) if self.step is None else self.step.loss(batch)
        self._update("fit", loss.detach(), output.logits.detach(), batch[1])
        return loss

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Compute the gradients of the training loss."""
        if self.step is None:
            super().backward(loss, *args, **kwargs)
        else:
            self.step.backward(loss)

    def on_train_batch_end(self, outputs: Any, batch: Batch, batch_idx: int) -> None:
        """Stop after the last step, within an epoch, too; Lightning validates before it stops."""
        if self.global_step >= self.steps:
            self.trainer.should_stop = True

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Measure a validation batch."""
        self._evaluate("val", batch)

    def test_step(self, batch: Batch, batch_idx: int, dataloader_idx: int = 0) -> None:
        """Measure a batch of the test images (loader 0) or of the clean training ones (1)."""
        self._evaluate(("test", "clean")[dataloader_idx], batch)

    def on_train_epoch_end(self) -> None:
        """Log the epoch's training loss and accuracy, and those of its last validation."""
        self.epoch_metrics |= {f"train/{k}": v for k, v in self._computed("fit").items()}
        self.log_dict(self.epoch_metrics)

    def on_validation_epoch_end(self) -> None:
        """Measure validation loss and accuracy, for the selection of weights at once."""
        metrics = {f"val/{k}": v for k, v in self._computed("val").items()}
        self.log_dict(metrics, logger=self.trainer.state.fn == "validate")  # else by the epoch
        self.epoch_metrics |= metrics

    def on_test_epoch_end(self) -> None:
        """Log test loss and accuracy, and the generalisation gap."""
        test, clean = self._computed("test"), self._computed("clean")
        self.log_dict({f"test/{k}": v for k, v in test.items()})
        self.log("train/clean_accuracy", clean["accuracy"])
        self.log("gap/accuracy", clean["accuracy"] - test["accuracy"])

    def configure_optimizers(self) -> Any:
        """Return the optimiser and its schedule."""
        optimizer = self.optimizer(self.trained())
        schedule = self.scheduler(optimizer, steps=self.steps)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {"scheduler": schedule, "interval": "step"},
        }

    def _evaluate(self, split: str, batch: Batch) -> None:
        if not len(batch[1]):  # the last batch may have fewer images than there are ranks
            self._meters(split)["loss"].update(torch.zeros((), device=self.device), 0)
            return
        logits = self(batch[0])
        self._update(split, F.cross_entropy(logits, batch[1]), logits, batch[1])

    def _update(self, split: str, loss: Tensor, logits: Tensor, labels: Tensor) -> None:
        meters = self._meters(split)
        meters["loss"].update(loss, len(labels))
        meters["accuracy"].update(logits, labels)

    def _computed(self, split: str) -> dict[str, Tensor]:
        values = {}
        for name, meter in self._meters(split).items():
            values[name] = meter.compute()
            meter.reset()
        return values

    def _meters(self, split: str) -> dict[str, Metric]:
        return dict(self.meters[split].items())  # type: ignore[operator]
