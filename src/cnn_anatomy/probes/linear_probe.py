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

from cnn_anatomy.core.notices import notice
from cnn_anatomy.networks import Network
from cnn_anatomy.probes.evaluation import EvaluationProbe
from cnn_anatomy.probes.float32 import float32
from cnn_anatomy.probes.hooks import inputs_collected
from cnn_anatomy.results.metrics import UNTRAINED
from cnn_anatomy.training.classifier import Classifier

PENALTIES = np.logspace(-2, 5, 8)
MOST_IMAGES = 5000  # of training, on which the probe is fitted


class LinearProbe(EvaluationProbe):
    """Measures the accuracy of a linear probe (Alain & Bengio 2016) of the last features.

    `features/linear_probe` is the test accuracy of a ridge classifier on the standardised vectors
    that the network's own classifier gets. It is fitted to the training images without
    augmentation, at most `MOST_IMAGES` in the proportion of the classes, and its penalty is chosen
    by leave-one-out validation on these. The same of the network before training, whose batch
    normalisation has no statistics yet, is `untrained/features/linear_probe`. Computed in float32.
    Logs nothing if a feature is not finite.
    """

    @torch.no_grad()
    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Measure the untrained network."""
        if trainer.global_step or not trainer.is_global_zero:
            return
        training = module.training
        module.eval()
        measured = self.measure(trainer, module)
        module.train(training)
        untrained = {f"{UNTRAINED}{name}": value for name, value in measured.items()}
        for logger in trainer.loggers:  # under this name only: a value at step 0 is not replaced
            logger.log_metrics(untrained, step=0)

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Fit to training images, measure on the test images."""
        assert isinstance(module, Classifier)
        data = trainer.datamodule  # type: ignore[attr-defined]
        splits = data.load()
        fitted = splits.train.first_of_each(MOST_IMAGES, seed=0)
        with float32(module):
            train = vectors(module.network, data.batches(fitted))
            test = vectors(module.network, data.batches(splits.test))
        if not (np.isfinite(train[0]).all() and np.isfinite(test[0]).all()):
            notice("features/linear_probe: absent, as a feature is not finite")
            return {}
        probe = make_pipeline(StandardScaler(), RidgeClassifierCV(PENALTIES))
        return {"features/linear_probe": float(probe.fit(*train).score(*test))}


def vectors(
    network: Network, batches: Iterable[tuple[Tensor, Tensor]]
) -> tuple[np.ndarray, np.ndarray]:
    """Return the classifier's inputs (N, D) and the labels (N,)."""
    found: list[Tensor] = []
    labels: list[Tensor] = []
    with inputs_collected(network.classifier) as inputs:
        for images, batch_labels in batches:
            network(images)  # not the module, which may begin behind layers that are frozen
            found.append(inputs.pop().flatten(1).double().cpu())
            labels.append(batch_labels.cpu())
    return torch.cat(found).numpy(), torch.cat(labels).numpy()
