"""Training steps that a GPU replays from a CUDA graph.

Python launches a thousand or more kernels for a step of a small network, which takes longer than
the GPU needs to run them. A CUDA graph launches all of them at once (PyTorch's notes on CUDA
semantics, section CUDA Graphs). Lightning has no such option (its issue 10174).
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import lightning.pytorch as pl
import torch
from lightning.pytorch.callbacks import Callback
from torch import Tensor, nn

from cnn_anatomy.core.notices import notice
from cnn_anatomy.distributed.process_group import world_size
from cnn_anatomy.networks import Output
from cnn_anatomy.networks.pooling import Stochastic
from cnn_anatomy.networks.undisturbed import undisturbed
from cnn_anatomy.training.classifier import Batch, Classifier

WARM_UP_STEPS = 3  # in which libraries choose kernels and allocate what they keep
# Packages whose forward passes decide by shape and mode alone what they compute.
KNOWN_PACKAGES = ("cnn_anatomy", "torch", "torchvision", "timm")


class CudaGraph(Callback):
    """Captures forward pass, loss and backward pass in the first step and replays them in others.

    Optimiser, metrics and probes run as without it, and the weights are the same to the bit. What
    can't be captured runs as without it, and one line says why. On a CPU it does nothing.

    Args:
        own_code: whether to capture networks with layers from outside the packages that are known
            to compute the same for every batch. A replay does not run their Python code.
    """

    def __init__(self, own_code: bool = False) -> None:
        self.own_code = own_code

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Let the training steps replay a graph."""
        assert isinstance(module, Classifier)
        if module.device.type != "cuda":
            return
        reason = obstacle(module, trainer.accumulate_grad_batches, own_code=self.own_code)
        if reason is not None:
            notice(f"no CUDA graph: {reason}")
            return
        module.step = GraphedStep(module)

    def on_fit_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Return to the classifier's own step, and free the graph's memory."""
        assert isinstance(module, Classifier)
        module.step = None

    def on_exception(
        self, trainer: pl.Trainer, module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Return to the classifier's own step."""
        assert isinstance(module, Classifier)
        module.step = None


class GraphedStep:
    """A classifier's loss and its backward pass, replayed where the conditions are as captured.

    The conditions are training mode, gradients, autocast, the batch's shapes and the stage after
    which it enters. The first call captures; if that fails, all calls run the classifier's own.
    """

    def __init__(self, module: Classifier) -> None:
        self.module = module
        self.graph: torch.cuda.CUDAGraph | None = None
        self.captured: object = None  # the conditions
        self.replayed = False  # whether the last step was

    def loss(self, batch: Batch) -> tuple[Tensor, Output]:
        """Return the training loss and the output, as `Classifier.loss` does."""
        if self.captured is None:
            self.captured = self._conditions(batch)
            self._try_to_capture(batch)
        self.replayed = self.graph is not None and self._conditions(batch) == self.captured
        if not self.replayed:
            return self.module.loss(batch)
        for static, tensor in zip(self.batch, batch, strict=True):
            static.copy_(tensor)
        self.weight.fill_(self.module.auxiliary_weight)
        assert self.graph is not None
        self.graph.replay()
        loss, output = self.results
        return loss.clone(), output

    def backward(self, loss: Tensor) -> None:
        """Set the gradients of the replayed step, or compute those of any other."""
        if not self.replayed:
            loss.backward()
            return
        for parameter, gradient in self.gradients:
            parameter.grad = gradient

    def _conditions(self, batch: Batch) -> object:
        autocast = torch.get_autocast_dtype("cuda") if torch.is_autocast_enabled("cuda") else None
        shapes = [(tensor.shape, tensor.dtype) for tensor in batch]
        return shapes, self.module.training, torch.is_grad_enabled(), autocast, self.module.after

    def _try_to_capture(self, batch: Batch) -> None:
        try:
            with undisturbed(self.module):
                self._capture(batch)
        except RuntimeError as error:  # of an operation that waits for the GPU, for one
            self.graph = None
            notice(f"no CUDA graph: {str(error).splitlines()[0]}")
        for parameter in self.module.parameters():
            parameter.grad = None  # the graph's own are in `gradients`

    def _capture(self, batch: Batch) -> None:
        self.batch = tuple(tensor.clone() for tensor in batch)
        self.weight = torch.full((), self.module.auxiliary_weight, device=self.module.device)
        graph, stream = torch.cuda.CUDAGraph(), torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM_UP_STEPS):
                self._compute()
            with waiting_refused():
                self._compute()
        torch.cuda.current_stream().wait_stream(stream)
        with torch.cuda.graph(graph, stream=stream):
            self.results = self._compute()
        self.gradients = [(p, p.grad) for p in self.module.parameters() if p.grad is not None]
        self.graph = graph

    def _compute(self) -> tuple[Tensor, Output]:
        """Run a step; its gradients take the place of any others."""
        for parameter in self.module.parameters():
            parameter.grad = None
        images, labels = self.batch
        loss, output = self.module.loss((images, labels), self.weight)
        with torch.autocast("cuda", enabled=False):  # as Lightning's
            loss.backward()
        auxiliary = tuple(logits.detach() for logits in output.auxiliary)
        return loss.detach(), Output(output.logits.detach(), auxiliary)


@contextmanager
def waiting_refused() -> Iterator[None]:
    """Let PyTorch raise a RuntimeError for what waits for the GPU, which can't be captured.

    A capture that fails would leave the random number generator unusable.
    """
    mode = torch.cuda.get_sync_debug_mode()
    with warnings.catch_warnings():  # PyTorch's, that it does not detect all
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode(mode)


def obstacle(module: Classifier, accumulated: int = 1, *, own_code: bool = False) -> str | None:
    """Return why the classifier's training step can't be captured, None if it can.

    Args:
        module: holds the network.
        accumulated: the number of batches whose gradients are added up for a step.
        own_code: whether layers from outside the known packages may be captured.
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
        if isinstance(layer, Stochastic):  # its draw waits for the GPU
            return "Stochastic draws from probabilities"
        if not own_code and not is_known(layer):
            return (
                f"{type(layer).__name__} is code of your own: give callbacks.cuda_graph.own_code="
                "true if it computes the same for every batch"
            )
    return None


def is_known(layer: nn.Module) -> bool:
    """Return whether a layer's class is from a known package."""
    return type(layer).__module__.partition(".")[0] in KNOWN_PACKAGES
