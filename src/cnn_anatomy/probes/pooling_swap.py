"""What a trained network loses if its max poolings average instead, at the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import lightning.pytorch as pl
import torch.nn.functional as F
from torch import Tensor, nn

from cnn_anatomy.probes.activation import stage_contrasts
from cnn_anatomy.probes.evaluation import EvaluationProbe, correctly_classified
from cnn_anatomy.probes.hooks import outputs_replaced
from cnn_anatomy.training.classifier import Classifier

UNDILATED = (1, (1, 1))


class PoolingSwapProbe(EvaluationProbe):
    """Measures the tested network twice: as it is, and with averages of the same windows.

    | metric | meaning |
    |---|---|
    | `averaged/accuracy_lost` | test accuracy as it is − that with averages |
    | `averaged/contrast_lost` | the same of `activation/contrast`, if images have boxes |

    All max poolings are meant, those in Inception modules, too. Logs nothing of a network without
    any, nor of one in which they are dilated or return indices.
    """

    def measure(self, trainer: pl.Trainer, module: pl.LightningModule) -> dict[str, float]:
        """Measure on the test images."""
        assert isinstance(module, Classifier)
        poolings = [m for m in module.network.modules() if isinstance(m, nn.MaxPool2d)]
        if not poolings or any(p.return_indices or p.dilation not in UNDILATED for p in poolings):
            return {}
        before = self._measured(trainer, module)
        with averaging(poolings):
            after = self._measured(trainer, module)
        return {f"averaged/{name}_lost": before[name] - after[name] for name in before}

    def _measured(self, trainer: pl.Trainer, module: Classifier) -> dict[str, float]:
        accuracy = correctly_classified(trainer, module).float().mean().item()
        contrasts = stage_contrasts(trainer, module)
        contrast = {"contrast": contrasts[max(contrasts)]} if contrasts else {}
        return {"accuracy": accuracy, **contrast}


def averaging(poolings: Sequence[nn.MaxPool2d]) -> AbstractContextManager[None]:
    """Make max poolings return the means of their windows, without padding, within the block."""
    return outputs_replaced(poolings, _means)


def _means(module: nn.Module, inputs: tuple[Tensor, ...], _: Tensor) -> Tensor:
    assert isinstance(module, nn.MaxPool2d)
    return F.avg_pool2d(
        inputs[0],
        module.kernel_size,
        module.stride,
        module.padding,
        ceil_mode=module.ceil_mode,
        count_include_pad=False,
    )
