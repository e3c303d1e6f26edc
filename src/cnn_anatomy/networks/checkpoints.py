"""Checkpoints: state dicts, ours or public ones, loaded into networks built from our parts.

The public layouts are those of the CIFAR ResNets, by the names that most repositories share (conv1,
bn1, layer1.0.conv1, …, linear or fc), and of torchvision's ResNets, GoogLeNet and VGGs. A layout
maps the names of our modules to names in the file. A network with other parts or of another size
shows as a key that differs. Logits are equal to the last bit if sums are taken in the same order,
as torchvision takes them; an average pooling that is written differently may round differently.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks.interface import Network
from cnn_anatomy.networks.layers import Transition

GOOGLENET_MODULES = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
WRAPPER = "module."  # before the names of an adapted network's own weights
COUNTER = "num_batches_tracked"  # of batch normalisation; old files lack it, and it is never read


def load_weights(
    network: Network,
    weights: Mapping[str, Tensor],
    *,
    without: tuple[str, ...] = (),
    modules: Collection[nn.Module] | None = None,
) -> None:
    """Copy a state dict into `network`, strictly: every key and shape must match.

    Auxiliary heads in `weights` are left out if the network has none.

    Args:
        network: changed in place.
        weights: by our names, by those of a Lightning checkpoint of ours, or by a public layout's.
        without: prefixes of our names that are neither checked nor copied.
        modules: the only modules to which weights are copied, if not None.

    Raises:
        ConfigError: if the layout is unknown, or a key or shape differs; nothing is copied then.
    """
    weights = _of_network(weights)
    own = network.state_dict()
    file_names = _file_names(network, weights)
    own_names = {name: key for key, name in file_names.items()}
    wanted = {file_names[key]: own[key] for key in own if not key.startswith(without)}
    offered = {
        name: value
        for name, value in weights.items()
        if (name in wanted or len(network.auxiliary) or not name.startswith("aux"))
        and not own_names.get(name, name).startswith(without)
    }
    require_fit(wanted, offered)
    copied = {own_names[name]: value for name, value in offered.items()}
    if modules is not None:
        tensors = {id(t) for m in modules for t in m.state_dict(keep_vars=True).values()}
        ours = network.state_dict(keep_vars=True)
        copied = {key: value for key, value in copied.items() if id(ours[key]) in tensors}
    network.load_state_dict({**own, **copied})


def _of_network(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the part of a Lightning checkpoint that is the network's, or all of another file."""
    network = {k: v for k, v in weights.items() if k.startswith("network.")}
    names = {k: k.removeprefix("network.").removeprefix(WRAPPER) for k in network or weights}
    return {name: weights[key] for key, name in names.items()}


def _file_names(network: Network, weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the name in the file for every key of the network's state dict."""
    own = network.state_dict()
    plain = {key: key.removeprefix(WRAPPER) for key in own}
    if weights.keys() & set(plain.values()):
        return plain
    names = _layout(weights)(network, weights)
    return {key: _public(key, names) for key in own}


def require_fit(wanted: Mapping[str, Tensor], offered: Mapping[str, Tensor]) -> None:
    """Compare the shapes of a network's tensors with those of a file, both by the file's names.

    Raises:
        ConfigError: with the first key that differs and both shapes.
    """
    for key in dict.fromkeys([*wanted, *offered]):
        ours, theirs = (tuple(d[key].shape) if key in d else None for d in (wanted, offered))
        if ours != theirs and not (theirs is None and key.endswith(COUNTER)):
            raise ConfigError(
                f"the checkpoint does not fit this network: {key} is {_shape(theirs)} in the file "
                f"and {_shape(ours)} in the network"
            )


def resnet_names(network: Network, weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the names of our modules with weights in a ResNet's checkpoint."""
    shortcut = "shortcut" if any(".shortcut." in key for key in weights) else "downsample"
    names = _numbered(network.stem, "stem", "")
    for k, stage in enumerate(network.stages):
        for i, block in enumerate(stage.children()):
            here, there = f"stages.{k}.{i}", f"layer{k + 1}.{i}."
            for part, module in block.named_children():
                if part == "skip":
                    leaves = [name for name, _ in _leaves(module, f"{here}.{part}")]
                    names |= {name: f"{there}{shortcut}.{n}" for n, name in enumerate(leaves)}
                elif part == "residual":
                    names |= _numbered(module, f"{here}.{part}", there)
    classifier = "linear" if "linear.weight" in weights else "fc"
    return {**names, "head.classifier": classifier}


def googlenet_names(network: Network, weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the names of our modules with weights in torchvision's GoogLeNet."""
    branches = {"branch1": "branch1", "branch3": "branch2", "branch5": "branch3", "pool": "branch4"}
    names: dict[str, str] = {}
    for name, _ in _leaves(network.stem, "stem"):
        names[name] = name.removeprefix("stem.")
    modules = iter(GOOGLENET_MODULES)
    for k, stage in enumerate(network.stages):
        for i, module in enumerate(stage.children()):
            if isinstance(module, Transition):
                continue
            here, there = f"stages.{k}.{i}.", f"inception{next(modules, '…')}."
            for name, _ in _leaves(module, here.rstrip(".")):
                branch, _, rest = name.removeprefix(here).partition(".")
                names[name] = f"{there}{branches.get(branch, branch)}.{rest}"
    for number, (tapped, side) in enumerate(network.auxiliary.items(), 1):
        parts = ("conv.conv", "conv.norm", "fc1", "fc2")
        leaves = [name for name, _ in _leaves(side, f"auxiliary.{tapped}")]
        names |= {name: f"aux{number}.{part}" for name, part in zip(leaves, parts, strict=False)}
    names = {name: re.sub(r"\.norm$", ".bn", there) for name, there in names.items()}
    return {**names, "head.classifier": "fc"}


def vgg_names(network: Network, weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Return the names of our modules with weights in torchvision's VGGs, which number layers."""
    names: dict[str, str] = {}
    place = 0
    for k, stage in enumerate(network.stages):
        for i, block in enumerate(stage.children()):
            leaves = [name for name, _ in _leaves(block, f"stages.{k}.{i}")]
            names |= {name: f"features.{place + n}" for n, name in enumerate(leaves)}
            place += len(leaves) + 1  # one for the activation, or in a transition for the pooling
    hidden = [name for name, _ in _leaves(network.head, "head")]
    return {**names, **{name: f"classifier.{3 * n}" for n, name in enumerate(hidden)}}


Layout = Callable[[Network, Mapping[str, Tensor]], dict[str, str]]
LAYOUTS: tuple[tuple[re.Pattern[str], Layout], ...] = (
    (re.compile(r"layer1\."), resnet_names),
    (re.compile(r"inception3a\."), googlenet_names),
    (re.compile(r"features\.0\.weight$"), vgg_names),
)


def _layout(weights: Mapping[str, Tensor]) -> Layout:
    for mark, layout in LAYOUTS:
        if any(map(mark.match, weights)):
            return layout
    first = next(iter(weights), "nothing")
    raise ConfigError(
        f"the checkpoint begins with {first}, which is in no known layout: those of CIFAR "
        "ResNets and of torchvision's resnet, googlenet and vgg"
    )


def _leaves(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, module) of the modules with weights themselves, in the order of creation."""
    for name, leaf in module.named_modules(prefix=prefix):
        if next(leaf.parameters(recurse=False), None) is not None:
            yield name, leaf


def _numbered(module: nn.Module, prefix: str, there: str) -> dict[str, str]:
    """Number the convolutions and norms of a module in series: conv1, bn1, conv2, bn2."""
    names, counts = {}, {"conv": 0, "bn": 0}
    for name, leaf in _leaves(module, prefix):
        kind = "conv" if isinstance(leaf, nn.Conv2d) else "bn"
        counts[kind] += 1
        names[name] = f"{there}{kind}{counts[kind]}"
    return names


def _public(key: str, names: Mapping[str, str]) -> str:
    """Return the public name of one of our keys, or the key itself if the layout lacks it."""
    leaf, _, what = key.rpartition(".")
    return f"{names[leaf]}.{what}" if leaf in names else key


def _shape(shape: Any) -> str:
    return "absent" if shape is None else f"of shape {shape}"
