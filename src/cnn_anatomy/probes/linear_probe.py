"""How well a linear classifier tells the classes from the classifier's input vector."""

from __future__ import annotations

from collections.abc import Iterable

import lightning.pytorch as pl
import numpy as np
import torch
from sklearn.linear_model import RidgeClassifierCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from cnn_anatomy.probes.evaluation import EvaluationProbe
from cnn_anatomy.probes.logged import log
from cnn_anatomy.training.classifier import Classifier

PENALTIES = np.logspace(-2, 5, 8)
MOST_IMAGES = 5000  # of training, on which the probe is fitted


class LinearProbe(EvaluationProbe):
    """Measures the accuracy of a linear probe (Alain & Bengio 2016) of the last features.

    `features/linear_probe` is the test accuracy of a ridge classifier on the vectors that the
    network's own classifier gets. It is fitted to the training images, the first `MOST_IMAGES`
    without augmentation, and its penalty is chosen by leaving out one of these. The same of the
    network before training is `untrained/features/linear_probe`.
    """

    @torch.no_grad()
    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure the untrained network."""
        if trainer.global_step or not trainer.is_global_zero:
            return
        training = module.training
        module.eval()
        with trainer.precision_plugin.test_step_context():
            measured = self.measure(trainer, module)
        module.train(training)
        log(trainer, measured, epoch=-1)

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Fit to training images, measure on the test images."""
        assert isinstance(module, Classifier)
        loaders = trainer.datamodule.test_dataloader()  # type: ignore[attr-defined]
        test_batches, train_batches = (loader.part(0, 1) for loader in loaders)
        train = vectors(module, train_batches, MOST_IMAGES)
        test = vectors(module, test_batches)
        probe = make_pipeline(StandardScaler(), RidgeClassifierCV(PENALTIES))
        return {"features/linear_probe": float(probe.fit(*train).score(*test))}


def vectors(
    module: Classifier, batches: Iterable[tuple[Tensor, Tensor]], most: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Return the classifier's inputs (N, D) and the labels (N,), of the first `most` images."""
    inputs: list[Tensor] = []
    labels: list[Tensor] = []
    hook = module.network.classifier.register_forward_pre_hook(
        lambda _, given: inputs.append(given[0].flatten(1).double().cpu())
    )
    try:
        for images, batch_labels in batches:
            module(images)
            labels.append(batch_labels.cpu())
            if most is not None and sum(map(len, labels)) >= most:
                break
    finally:
        hook.remove()
    return torch.cat(inputs)[:most].numpy(), torch.cat(labels)[:most].numpy()
