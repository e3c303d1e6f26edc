"""Training steps whose forward and backward pass a GPU replays from a CUDA graph.

Python launches a thousand or more kernels for a step of a small network, which takes longer than
the GPU needs to run them. A CUDA graph launches all of them at once (PyTorch's notes on CUDA
semantics, section CUDA Graphs). Lightning has no such option (its issue 10174).
"""

from __future__ import annotations

from typing import Any

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from cnn_anatomy.core.notices import notice
from cnn_anatomy.distributed.process_group import world_size
from cnn_anatomy.networks import Network, Output
from cnn_anatomy.networks.undisturbed import undisturbed
from cnn_anatomy.training.classifier import Classifier
from cnn_anatomy.training.frozen_prefix import RANDOM_LAYERS


class CudaGraph(Callback):
    """Captures the network's forward and backward pass once and replays both in every step.

    Loss, optimiser, metrics and probes run as without it, and the weights are the same to the bit.
    What can't be captured runs as without it, and one line says why. On a CPU it does nothing.
    """

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Capture, and let the network's forward pass replay in training steps."""
        assert isinstance(module, Classifier)
        if module.device.type != "cuda":
            return
        reason = obstacle(module, trainer.accumulate_grad_batches)
        if reason is not None:
            notice(f"no CUDA graph: {reason}")
            return
        images, _ = next(iter(trainer.datamodule.train_dataloader()))  # type: ignore[attr-defined]
        module.train()
        with undisturbed(module), trainer.precision_plugin.train_step_context():
            replayed = Replayed(module.network, images, module.after)
        module.network.forward = replayed  # type: ignore[method-assign, assignment]

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Return to the network's own forward pass."""
        self._release(module)

    def on_exception(
        self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Return to the network's own forward pass."""
        self._release(module)

    def _release(self, module: pl.LightningModule) -> None:
        assert isinstance(module, Classifier)
        if isinstance(module.network.forward, Replayed):
            del module.network.forward


class Replayed:
    """A network's forward pass that replays a CUDA graph where its conditions are as captured.

    The conditions are training mode, gradients, autocast, the shape of the images (N, C, H, W) and
    the stage `after` which they enter. Otherwise it runs the network itself.
    """

    def __init__(self, network: Network, images: Tensor, after: int | None) -> None:
        self.eager = network.forward
        self.network = network
        self.after = after
        self.shape = images.shape
        self.precision = _precision()
        self.graphed: Any = torch.cuda.make_graphed_callables(
            _Logits(network, after), (images.clone(),), allow_unused_input=True
        )

    def __call__(self, images: Tensor, after: int | None = None) -> Output:
        """Map images (N, C, H, W) to logits, as `Network.forward` does."""
        as_captured = (
            self.network.training
            and torch.is_grad_enabled()
            and (after, images.shape, _precision()) == (self.after, self.shape, self.precision)
        )
        if not as_captured:
            return self.eager(images, after)
        logits, *auxiliary = self.graphed(images)
        return Output(logits, tuple(auxiliary))


class _Logits(nn.Module):
    """A network whose arguments and results are tensors alone, as a graph needs them."""

    def __init__(self, network: Network, after: int | None) -> None:
        super().__init__()
        self.network = network
        self.run = network.forward
        self.after = after

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        output: Any = self.run(images, self.after)
        return (output.logits, *output.auxiliary)


def obstacle(module: Classifier, accumulated: int = 1) -> str | None:
    """Return why the network's training step can't be captured, None if it can.

    Args:
        module: holds the network.
        accumulated: the number of batches whose gradients are added up for a step.
    """
    if accumulated > 1:  # a replay writes over the gradients of the one before
        return "gradients of several batches are added up"
    if world_size() > 1:
        return "several processes share each batch"
    if module.thaws:
        return "layers are thawed during training"
    if "forward" in vars(module.network):
        return "the network is compiled"
    for layer in module.network.modules():
        if isinstance(layer, RANDOM_LAYERS):
            return f"{type(layer).__name__} draws random numbers"
    return None


def _precision() -> torch.dtype | None:
    """Return the type of the current autocast, None without."""
    return torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else None
