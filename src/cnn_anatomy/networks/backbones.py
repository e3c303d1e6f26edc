"""torchvision's networks behind the interface of `Network`: stem, stages, head, auxiliary heads.

A backbone consists of the modules of torchvision's model, so that weights and outputs are the same.
They are only grouped into stages, which freezing, probes and auxiliary heads refer to.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.error import URLError

import torch
import torchvision.models
from annotated_types import Ge, Le
from torch import Tensor, nn
from torch.hub import load_state_dict_from_url

from cnn_anatomy.config import constraints
from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.networks.auxiliary import Auxiliary, Own
from cnn_anatomy.networks.backbone_parts import (
    BackboneHead,
    Parts,
    densenet_parts,
    googlenet_parts,
    inception_v3_parts,
    resnet_parts,
    vgg_parts,
)
from cnn_anatomy.networks.checkpoints import require_fit
from cnn_anatomy.networks.inception import Modules
from cnn_anatomy.networks.layers import Factory, made
from cnn_anatomy.networks.network import Network, run_or_refuse, shapes_after
from cnn_anatomy.networks.norm import Batch
from cnn_anatomy.networks.stems import Rescale
from cnn_anatomy.networks.weight_files import read_weights


@dataclass(frozen=True)
class Kind:
    """A family of torchvision's models.

    Args:
        parts: groups the modules of a model.
        classifier: name of the last layer in the state dict.
        inception: whether the constructor takes `aux_logits` and `init_weights`.
        sides: names of the last layers of its auxiliary heads.
        pixels: side of the images it was designed for.
    """

    parts: Callable[[Any], Parts]
    classifier: str
    inception: bool = False
    sides: tuple[str, ...] = ()
    pixels: int = 224


BackboneName = Literal[
    "resnet18",
    "resnet34",
    "resnet50",
    "googlenet",
    "inception_v3",
    "vgg16",
    "vgg16_bn",
    "densenet121",
]
BACKBONES = {
    "resnet18": Kind(resnet_parts, "fc"),
    "resnet34": Kind(resnet_parts, "fc"),
    "resnet50": Kind(resnet_parts, "fc"),
    "googlenet": Kind(googlenet_parts, "fc", True, ("aux1.fc2", "aux2.fc2")),
    "inception_v3": Kind(inception_v3_parts, "fc", True, ("AuxLogits.fc",), 299),
    "vgg16": Kind(vgg_parts, "classifier.6"),
    "vgg16_bn": Kind(vgg_parts, "classifier.6"),
    "densenet121": Kind(densenet_parts, "classifier"),
}


def backbone(
    *,
    name: BackboneName,
    weights: str | None,
    resize: Annotated[int, Ge(1), Le(4096)] | None,
    inception: Modules,
    auxiliary: Auxiliary,
    channels: int,
    size: tuple[int, int],
    classes: int,
    **axes: Factory,
) -> Network:
    """Build torchvision's model `name` with `classes` logits, for images of any channels.

    A classifier with another number of classes is initialised anew. If images don't have three
    channels, the filters of the first convolution are summed over RGB and shared among them.

    Args:
        name: one of BACKBONES.
        weights: None for torchvision's initialisation, the name of weights that torchvision
            downloads (IMAGENET1K_V1), or a file with a state dict.
        resize: side in pixels to which images are scaled first, bilinearly; None to leave them.
        inception: must have depth 0.
        auxiliary: `Own` for torchvision's auxiliary heads, otherwise ours after its stages.
        channels: of the images.
        size: (H, W) of the images in pixels.
        classes: number of logits.
        axes: must be config.constraints.BACKBONE_PARTS.

    Raises:
        ConfigError: if the name or the weights are unknown, the download fails, the images are
            too small, or another part is asked for.
    """
    if name not in BACKBONES:
        names = ", ".join(BACKBONES)
        raise ConfigError(f"name={name} is none of {names}{did_you_mean(name, BACKBONES)}")
    _refuse_parts(inception, axes)
    kind = BACKBONES[name]
    own_heads = isinstance(auxiliary, Own)
    if own_heads:
        constraints.require_backbone_heads(name)
    state = None if weights is None else _state(name, weights)
    parts = kind.parts(_model(name, kind, state, channels, classes, own_heads))
    rescale = kind.inception and state is not None and channels == 3
    entrance = [Rescale(channels)] if rescale else []  # torchvision's transform_input
    stages = [nn.Sequential(*stage) for stage in parts.stages]
    shapes = run_or_refuse(
        lambda x: _shapes(nn.Sequential(*entrance, *parts.stem), stages, parts.auxiliary, x),
        torch.zeros(1, channels, *((resize, resize) if resize else size)),
        f"images of {size[0]}×{size[1]} pixels are too small for {name}: have them scaled, "
        f"resize={kind.pixels}",
    )
    scale = [nn.Upsample((resize, resize), mode="bilinear")] if resize else []
    stem = nn.Sequential(*scale, *entrance, *parts.stem)
    if own_heads:
        heads = nn.ModuleDict({str(k): side for k, side in parts.auxiliary.items()})
    else:
        heads = auxiliary.build(shapes, classes, norm=Batch, activation=nn.ReLU)
    return Network(stem, stages, BackboneHead(parts.before, parts.classifier), heads)


def _model(
    name: str,
    kind: Kind,
    state: dict[str, Tensor] | None,
    channels: int,
    classes: int,
    own_heads: bool,
) -> nn.Module:
    """Return torchvision's model with the weights `state`, for these channels and classes."""
    trained_classes = classes if state is None else _classes(state, kind)
    options: dict[str, Any] = {"num_classes": trained_classes}
    if kind.inception:
        options |= {"aux_logits": own_heads, "init_weights": state is None}
    model = torchvision.models.get_model(name, weights=None, **options)
    if state is not None:
        _load(model, state, kind, own_heads)
    if trained_classes != classes:
        for layer in (kind.classifier, *(kind.sides if own_heads else ())):
            old = model.get_submodule(layer)
            model.set_submodule(layer, nn.Linear(old.in_features, classes))
    if channels != 3:
        _adapt(model, channels, pretrained=state is not None)
    return model


def _refuse_parts(inception: Modules, axes: dict[str, Factory]) -> None:
    constraints.refuse_backbone_modules(inception.depth)
    for axis, factory in axes.items():
        name = getattr(made(factory), "__name__", str(factory))
        constraints.check_backbone_part(axis, name, getattr(factory, "keywords", {}))


def _shapes(
    stem: nn.Module,
    stages: Sequence[nn.Module],
    auxiliary: Mapping[int, nn.Module],
    image: Tensor,
) -> list[tuple[int, int, int]]:
    """Return the map shapes after each stage, once the auxiliary heads have run on theirs."""
    shapes = shapes_after(stem, stages, image)
    for k, side in auxiliary.items():
        with torch.no_grad():
            side.eval()(torch.zeros(1, *shapes[k - 1]))
        side.train()
    return shapes


def _state(name: str, weights: str) -> dict[str, Tensor]:
    """Return the state dict of a file or of weights that torchvision downloads."""
    published = torchvision.models.get_model_weights(name).__members__
    if weights not in published:
        if not Path(weights).is_file():
            raise ConfigError(
                f"weights={weights} is neither a file nor one of {', '.join(published)}"
            )
        return read_weights(weights)
    url = published[weights].url
    try:
        return load_state_dict_from_url(
            url, map_location="cpu", progress=False, check_hash=True, weights_only=True
        )
    except (URLError, OSError, RuntimeError) as error:
        raise ConfigError(
            f"weights={weights} could not be downloaded ({error}): fetch {url} elsewhere and "
            "set weights=FILE"
        ) from error


def _classes(state: dict[str, Tensor], kind: Kind) -> int:
    key = f"{kind.classifier}.weight"
    if key not in state:
        raise ConfigError(f"the weights fit no such backbone: {key} is absent in the file")
    return len(state[key])


def _load(model: nn.Module, state: dict[str, Tensor], kind: Kind, own_heads: bool) -> None:
    dropped = () if own_heads else tuple(f"{side.split('.')[0]}." for side in kind.sides)
    # DenseNet files from before 2017 have `norm.1` and `conv.1` for `norm1` and `conv1`.
    offered = {
        re.sub(r"(denselayer\d+\.(?:norm|conv))\.(\d)", r"\1\2", key): value
        for key, value in state.items()
        if not key.startswith(dropped or "\0")
    }
    current = model.state_dict()
    require_fit(current, offered)
    model.load_state_dict({**current, **offered})


def _adapt(model: nn.Module, channels: int, *, pretrained: bool) -> None:
    """Give the first convolution `channels` inputs: filters summed over RGB, or drawn anew."""
    conv = next(m for m in model.modules() if isinstance(m, nn.Conv2d))
    old = conv.weight.detach()
    out, _, *kernel = old.shape
    if pretrained:
        new = (old.sum(1, keepdim=True) / channels).repeat(1, channels, 1, 1)
    else:
        new = torch.randn(out, channels, *kernel) * old.std()
    conv.in_channels = channels
    conv.weight = nn.Parameter(new)
