"""The receptive field: how much of the image a unit of the last feature map depends on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from cnn_anatomy.networks.interface import Network

aten = torch.ops.aten


class Reach(NamedTuple):
    """The columns that unit i of a map depends on: from jump · i + first to jump · i + last."""

    jump: int
    first: int
    last: int

    def moved(self, kernel: int, stride: int, padding: int, dilation: int = 1) -> Reach:
        """Return the reach after a window slides over the map; sizes are in its units."""
        first = self.first - self.jump * padding
        last = self.last + self.jump * (dilation * (kernel - 1) - padding)
        return Reach(self.jump * stride, first, last)


IMAGE = Reach(1, 0, 0)


def receptive_field(network: Network, image: Tensor) -> int | None:
    """Return the width in pixels of what a unit of the last feature map depends on.

    It follows from windows, strides and paddings (Araujo et al. 2019), along the longest of all
    branches, and may exceed the image. What normalisation averages over is not counted.

    Args:
        network: any network, which is run once in evaluation mode.
        image: (1, C, H, W).

    Returns:
        None if the network has no map, if units depend on the whole image, as with
        squeeze-and-excitation, or on a map that no known operation made.
    """
    training = network.training
    with torch.inference_mode(mode=False), torch.no_grad():  # whose operations have other names
        image = torch.zeros_like(image)
        follower = _Follower(image)
        with follower:
            maps = network.eval().maps(image)
    network.train(training)
    reach = follower.reach(maps[max(maps)]) if maps else None
    return None if reach is None else reach.last - reach.first + 1


class _Follower(TorchDispatchMode):
    """Follows the reach of every map that operations make of an image."""

    def __init__(self, image: Tensor) -> None:
        super().__init__()
        self.found: dict[int, tuple[Tensor, Reach | None]] = {id(image): (image, IMAGE)}

    def reach(self, tensor: Tensor) -> Reach | None:
        """Return the reach of a tensor's units; None if it is not known or the whole image."""
        return self.found[id(tensor)][1] if id(tensor) in self.found else None

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Run an operation and note the reach of what it returns."""
        out = func(*args, **(kwargs or {}))
        inputs = [t for t in tree_leaves((args, kwargs)) if id(t) in self.found]
        if inputs:
            for tensor in tree_leaves(out):
                if isinstance(tensor, Tensor):
                    reach = self._after(func.overloadpacket, inputs, tensor, args)
                    self.found[id(tensor)] = (tensor, reach)  # kept, so that no id is used twice
        return out

    def _after(
        self, operation: Any, inputs: Sequence[Tensor], out: Tensor, args: tuple[Any, ...]
    ) -> Reach | None:
        reaches = [self.reach(tensor) for tensor in inputs]
        known = [reach for reach in reaches if reach is not None]
        if len(known) < len(reaches):
            return None
        if operation in WINDOWS:
            return WINDOWS[operation](known[0], args)
        same_place = all(tensor.shape[2:] == out.shape[2:] for tensor in inputs)
        if not same_place or out.ndim != 4 or len({reach.jump for reach in known}) > 1:
            return None
        first, last = min(r.first for r in known), max(r.last for r in known)
        return Reach(known[0].jump, first, last)


def _width(values: Any, default: int) -> int:
    """Return the last of an operation's sizes, which is the one across columns."""
    return int(values[-1]) if values else default


def _convolved(reach: Reach, args: tuple[Any, ...]) -> Reach:
    _, weight, _, stride, padding, dilation = args[:6]
    sizes = (_width(stride, 1), _width(padding, 0), _width(dilation, 1))
    return reach.moved(weight.shape[-1], *sizes)


def _pooled(reach: Reach, args: tuple[Any, ...]) -> Reach:
    kernel = _width(args[1], 1)
    stride = _width(args[2] if len(args) > 2 else (), kernel)
    return reach.moved(kernel, stride, _width(args[3] if len(args) > 3 else (), 0))


def _padded(reach: Reach, args: tuple[Any, ...]) -> Reach:
    return reach.moved(1, 1, int(args[1][0]))


def _sliced(reach: Reach, args: tuple[Any, ...]) -> Reach:
    defaults = (None, 0, None, None, 1)  # tensor, dimension, start, end, step
    values = [*args, *defaults[len(args) :]]
    dimension, start, step = values[1], values[2], values[4]
    return reach.moved(1, step, -(start or 0)) if dimension in (3, -1) else reach


WINDOWS: dict[Any, Callable[[Reach, tuple[Any, ...]], Reach]] = {
    aten.convolution: _convolved,
    aten.max_pool2d_with_indices: _pooled,
    aten.avg_pool2d: _pooled,
    aten.constant_pad_nd: _padded,
    aten.reflection_pad2d: _padded,
    aten.replication_pad2d: _padded,
    aten.slice: _sliced,
}
