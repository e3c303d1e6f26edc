"""Public checkpoints: other people's state dicts, loaded into networks made of our parts.

Known are the CIFAR ResNets by the names that most repositories share (conv1, bn1,
layer1.0.conv1, …, linear or fc) and torchvision's ResNets, GoogLeNet and VGGs. Each layout says
what the leaves of a network of ours are called there; a network whose parts are others, or of
another size, shows as a key that differs. Logits are the same to the last bit where the sums are
taken in the same order, as torchvision does; an average pooling written otherwise rounds otherwise.
"""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks.layers import Transition
from cnn_anatomy.networks.network import Network

GOOGLENET_MODULES = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
COUNTER = "num_batches_tracked"  # of batch normalisation: old files lack it, nothing reads it


def read(path: str | Path) -> dict[str, Tensor]:
    """Return the state dict in a file: plain, or under `state_dict`; `module.` prefixes dropped.

    Raises:
        ConfigError: if there is no such file, it holds code, or no state dict.
    """
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError(f"the checkpoint {path} is not there") from None
    except pickle.UnpicklingError:
        raise ConfigError(
            f"the checkpoint {path} is refused: it holds Python objects besides tensors, which "
            "could run code; save a state dict of it instead"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError) as error:
        raise ConfigError(f"the checkpoint {path} cannot be read: {error}") from error
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    if not isinstance(content, Mapping) or not all(
        isinstance(value, Tensor) for value in content.values()
    ):
        raise ConfigError(
            f"the checkpoint {path} holds no state dict: tensors by name, or these as `state_dict`"
        )
    return {str(key).removeprefix("module."): value for key, value in content.items()}


def load(network: Network, path: str | Path) -> None:
    """Load the public checkpoint at `path` into `network`, strictly.

    Auxiliary heads of the file are left out if the network has none.

    Raises:
        ConfigError: if the file cannot be read, or a key or shape differs.
    """
    adopt(network, read(path))


def adopt(network: Network, weights: Mapping[str, Tensor]) -> None:
    """Copy a public state dict into `network`, strictly.

    Raises:
        ConfigError: if its layout is unknown, or a key or shape differs.
    """
    names = _layout(weights)(network, weights)
    own = network.state_dict()
    theirs = {_public(key, names): key for key in own}
    offered = {k: v for k, v in weights.items() if network.auxiliary or not k.startswith("aux")}
    require_fit({there: own[key] for there, key in theirs.items()}, offered)
    network.load_state_dict({**own, **{theirs[key]: value for key, value in offered.items()}})


def named(network: Network, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict by the names of `network`, whichever of the two it goes by.

    Of a checkpoint that Lightning wrote of a run of ours only the network is taken.

    Raises:
        ConfigError: if the names are neither ours nor of a known layout.
    """
    ours = {k: v for k, v in weights.items() if k.startswith("network.")}
    weights = {k.removeprefix("network."): v for k, v in (ours or weights).items()}
    if weights.keys() & network.state_dict().keys():
        return weights
    names = _layout(weights)(network, weights)
    keys = {_public(key, names): key for key in network.state_dict()}
    offered = {k: v for k, v in weights.items() if network.auxiliary or not k.startswith("aux")}
    return {keys.get(key, key): value for key, value in offered.items()}


def require_fit(own: Mapping[str, Tensor], offered: Mapping[str, Tensor]) -> None:
    """Hold a file's tensors against a network's, by the file's names.

    Raises:
        ConfigError: that names the first key which differs and both shapes.
    """
    for key in dict.fromkeys([*own, *offered]):
        ours, given = (tuple(d[key].shape) if key in d else None for d in (own, offered))
        if ours != given and not (given is None and key.endswith(COUNTER)):
            raise ConfigError(
                f"the checkpoint does not fit this network: {key} is {_shape(given)} in the file "
                f"and {_shape(ours)} in the network"
            )


def resnet_names(network: Network, weights: Mapping[str, Tensor]) -> dict[str, str]:
    """Return what the leaves are called in a ResNet's checkpoint."""
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
    """Return what the leaves are called in torchvision's GoogLeNet."""
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
    """Return what the leaves are called in torchvision's VGGs, which number every layer."""
    names: dict[str, str] = {}
    place = 0
    for k, stage in enumerate(network.stages):
        for i, block in enumerate(stage.children()):
            leaves = [name for name, _ in _leaves(block, f"stages.{k}.{i}")]
            names |= {name: f"features.{place + n}" for n, name in enumerate(leaves)}
            place += len(leaves) + 1  # and the activation, or for a transition the pooling
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
        f"a checkpoint that begins with {first} is of no known layout: those of CIFAR ResNets, "
        "and of torchvision's resnet, googlenet and vgg"
    )


def _leaves(module: nn.Module, prefix: str) -> Iterator[tuple[str, nn.Module]]:
    """Yield (name, module) of the leaves with weights, in the order of their making."""
    for name, leaf in module.named_modules(prefix=prefix):
        if next(leaf.parameters(recurse=False), None) is not None:
            yield name, leaf


def _numbered(module: nn.Module, prefix: str, there: str) -> dict[str, str]:
    """Name the convolutions and norms of a chain: conv1, bn1, conv2, bn2 and so on."""
    names, counts = {}, {"conv": 0, "bn": 0}
    for name, leaf in _leaves(module, prefix):
        kind = "conv" if isinstance(leaf, nn.Conv2d) else "bn"
        counts[kind] += 1
        names[name] = f"{there}{kind}{counts[kind]}"
    return names


def _public(key: str, names: Mapping[str, str]) -> str:
    """Return the public name of a key of ours; what no layout has keeps its own."""
    leaf, _, what = key.rpartition(".")
    return f"{names[leaf]}.{what}" if leaf in names else key


def _shape(shape: Any) -> str:
    return "absent" if shape is None else f"of shape {shape}"
