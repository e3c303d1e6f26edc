"""Surgery: parts of ours in the place of PyTorch's modules, in a network that brings its own."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from itertools import groupby
from typing import Any, NamedTuple, NoReturn

import torch
from torch import Tensor, nn

from cnn_anatomy.config import constraints
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.notices import notice
from cnn_anatomy.networks.interface import own_tensors
from cnn_anatomy.networks.layers import Factory, has_bias, made
from cnn_anatomy.networks.pooling import conv_stride, needs_conv

# What an axis replaces: modules of exactly these types, as a subclass may compute something else.
REPLACED: Mapping[str, tuple[type[nn.Module], ...]] = {
    "pooling": (nn.MaxPool2d,),
    "norm": (nn.BatchNorm2d,),
    "activation": (nn.ReLU, nn.ReLU6),
}
Refuse = Callable[[str], NoReturn]
SHOWN = 3  # a line names so many modules that are replaced alike
LISTED = 12  # and so many types of modules
EMPTY = (nn.Sequential, nn.ModuleList, nn.ModuleDict)  # which compute nothing without children


class Replacement(NamedTuple):
    """A module that was replaced: its name, and both modules in words."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name}: {self.old} → {self.new}"


class Use(NamedTuple):
    """The shapes (N, C, H, W) of the map that a pooling gets and of the map that it returns."""

    taken: torch.Size
    returned: torch.Size


class Surgery:
    """Replaces modules of a network, and leaves the others as they are.

    A new module begins with the weights and statistics that the old one has by the same name and in
    the same shape, as two norms do. Maxima of stride 1 halve nothing and are left.

    Args:
        pooling: made with the number of channels, in place of each nn.MaxPool2d.
        norm: made with the number of channels, in place of each nn.BatchNorm2d.
        activation: made of nothing, in place of each nn.ReLU and nn.ReLU6.
    """

    def __init__(
        self,
        pooling: Factory | None = None,
        norm: Factory | None = None,
        activation: Factory | None = None,
    ) -> None:
        parts = {"pooling": pooling, "norm": norm, "activation": activation}
        self.parts = {axis: part for axis, part in parts.items() if part is not None}

    def __call__(self, network: nn.Module, image: Tensor, subject: str) -> tuple[str, ...]:
        """Replace modules of `network`; return a line for each, `name: old → new`.

        The network runs on `image` (1, C, H, W). `subject` names the network in a refusal.

        Raises:
            ConfigError: if there is nothing to replace, a module has a form that the new one has
                not, or the network does not run with the new ones.
        """
        if not self.parts:
            return ()
        before = dict(network.named_modules())
        names = _names(network)
        uses = _uses(network, image) if "pooling" in self.parts else {}
        done: list[Replacement] = []
        for axis, factory in self.parts.items():
            old = [m for m in before.values() if _matches(axis, m)]
            if not old:
                _refuse_absent(axis, factory, before.values(), subject)
            for module in old:
                where = f"{', '.join(names[module])} of {subject}"
                refuse = partial(_refuse, axis, factory, where)
                new = _inheriting(_new(factory, module, uses.get(module, ()), refuse), module)
                for name in names[module]:
                    network.set_submodule(name, new)
                done.append(Replacement(", ".join(names[module]), str(module), _described(factory)))
        self._require_running(network, image, subject)
        notice(f"surgery in {subject}: {'; '.join([*_summary(done), *self._left(before)])}")
        return tuple(map(str, done))

    def _left(self, before: Mapping[str, nn.Module]) -> Iterator[str]:
        """Yield how many modules are like the replaced ones, but not exactly."""
        left = Counter(
            type(m).__name__
            for m in before.values()
            for axis in self.parts
            if isinstance(m, REPLACED[axis]) and not _matches(axis, m)
        )
        if left:
            yield "left as they are: " + ", ".join(f"{n} {name}" for name, n in left.items())

    def _require_running(self, network: nn.Module, image: Tensor, subject: str) -> None:
        """Run what ran before: what fails now, fails for the new modules."""
        try:
            _run(network, image)
        except Exception as error:
            keys = ", ".join(f"surgery.{a}={made(f).__name__}" for a, f in self.parts.items())
            raise ConfigError(
                f"{subject} does not run with {keys}: {type(error).__name__}: {error}"
            ) from error


NO_SURGERY = Surgery()


def _matches(axis: str, module: nn.Module) -> bool:
    """Return whether `axis` replaces a module."""
    if type(module) not in REPLACED[axis]:
        return False
    return not isinstance(module, nn.MaxPool2d) or _pair(module.stride) != (1, 1)


def _names(network: nn.Module) -> dict[nn.Module, list[str]]:
    """Return the names of every module, which has several if it stands in several places."""
    names: dict[nn.Module, list[str]] = {}
    for name, module in network.named_modules(remove_duplicate=False):
        names.setdefault(module, []).append(name)
    return names


def _uses(network: nn.Module, image: Tensor) -> dict[nn.Module, list[Use]]:
    """Return how evaluation mode uses each max pooling."""
    uses: dict[nn.Module, list[Use]] = {}

    def record(module: nn.Module, inputs: Any, output: Any) -> None:
        if isinstance(output, Tensor):
            uses.setdefault(module, []).append(Use(inputs[0].shape, output.shape))

    poolings = [m for m in network.modules() if type(m) is nn.MaxPool2d]
    hooks = [module.register_forward_hook(record) for module in poolings]
    try:
        _run(network, image)
    finally:
        for hook in hooks:
            hook.remove()
    return uses


def _run(network: nn.Module, image: Tensor) -> None:
    training = network.training
    try:
        with torch.no_grad():
            network.eval()(image)
    finally:
        network.train(training)


def _new(factory: Factory, old: nn.Module, uses: Sequence[Use], refuse: Refuse) -> nn.Module:
    """Return what takes the place of `old`, or call `refuse` with the reason why nothing can."""
    if isinstance(old, nn.MaxPool2d):
        return _pooling(factory, old, uses, refuse)
    if isinstance(old, nn.BatchNorm2d):
        return _norm(factory, old, refuse)
    return factory()


def _pooling(factory: Factory, old: nn.MaxPool2d, uses: Sequence[Use], refuse: Refuse) -> nn.Module:
    channels = sorted({use.taken[1] for use in uses})
    if not channels:
        refuse("no map of known size passes it in evaluation mode")
    if len(channels) > 1:
        listed = ", ".join(map(str, channels))
        refuse(f"it stands in places of {listed} channels: give each a pooling of its own")
    new: nn.Module = factory(channels[0])
    constraints.check_pooling_alone(_name(factory), conv_stride(new) > 1 or needs_conv(new))
    window = getattr(new, "window", None)
    theirs = (_pair(old.kernel_size), _pair(old.padding), _pair(old.dilation))
    if window is not None and theirs != (_pair(window[0]), _pair(window[1]), (1, 1)):
        side, padding = window
        refuse(f"its windows are {side}×{side}, padded by {padding}, and not those of {old}")
    for use in uses:
        with torch.no_grad():
            returned = new.eval()(torch.zeros(use.taken)).shape
        if returned != use.returned:
            taken, ours, expected = (_sides(x) for x in (use.taken, returned, use.returned))
            refuse(f"it maps {taken} pixels to {ours}, where {old} maps them to {expected}")
    return new


def _norm(factory: Factory, old: nn.BatchNorm2d, refuse: Refuse) -> nn.Module:
    if not old.affine or not old.track_running_stats:
        refuse(f"that is {old}, without the parts of a usual one")
    new: nn.Module = factory(old.num_features)
    constraints.check_norm_alone(_name(factory), has_bias(new))
    return new


def _inheriting(new: nn.Module, old: nn.Module) -> nn.Module:
    """Return `new` with the mode of `old`, and with its tensors of the same name and shape."""
    theirs = old.state_dict() if own_tensors(old) else {}
    ours = new.state_dict()
    alike = {k: x for k, x in theirs.items() if k in ours and x.shape == ours[k].shape}
    new.load_state_dict({**ours, **alike})
    return new.train(old.training)


def _refuse(axis: str, factory: Factory, where: str, reason: str) -> NoReturn:
    """Raise the ConfigError for a module at `where` that can't be replaced."""
    raise ConfigError(f"surgery.{axis}={_name(factory)} can't replace {where}: {reason}")


def _refuse_absent(axis: str, factory: Factory, modules: Any, subject: str) -> NoReturn:
    parts = (m for m in modules if not any(True for _ in m.children()))
    types = sorted({type(m).__name__ for m in parts if not isinstance(m, EMPTY)})
    listed = ", ".join([*types[:LISTED], *(["…"] if len(types) > LISTED else [])])
    wanted = " and ".join(cls.__name__ for cls in REPLACED[axis])
    stride = " of a stride above 1" if axis == "pooling" else ""
    raise ConfigError(
        f"surgery.{axis}={_name(factory)} replaces {wanted}{stride}, and {subject} has none: it "
        f"has {listed}"
    )


def _summary(done: Sequence[Replacement]) -> Iterator[str]:
    """Yield the replacements, those of a kind together."""
    kinds = groupby(done, lambda r: (r.old.partition("(")[0], r.new))
    for (old, new), alike in kinds:
        names = [replacement.name for replacement in alike]
        count = f"{len(names)} " if len(names) > 1 else ""
        shown = [*names[:SHOWN], *(["…"] if len(names) > SHOWN else [])]
        yield f"{count}{old} → {new} ({', '.join(shown)})"


def _name(factory: Factory) -> str:
    return made(factory).__name__


def _described(factory: Factory) -> str:
    """Return a part in words, as in `BlurMax(size=3)`."""
    settings = getattr(factory, "keywords", {})
    return f"{_name(factory)}({', '.join(f'{k}={v}' for k, v in settings.items())})"


def _sides(shape: torch.Size) -> str:
    return "×".join(map(str, shape[2:]))


def _pair(value: Any) -> tuple[int, int]:
    """Return (vertical, horizontal) of what PyTorch takes as one number or two."""
    first, second = value if isinstance(value, tuple) else (value, value)
    return first, second
