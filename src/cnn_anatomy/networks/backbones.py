"""torchvision's networks behind the interface of `Network`: stem, stages, head, auxiliary heads.

A backbone consists of the modules of torchvision's model, so that weights and outputs are the same.
Of some families they are grouped into stages here; the others are adapted as any module is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, get_args

import torch
import torchvision.models
from annotated_types import Ge, Le
from torch import Tensor, nn

from cnn_anatomy.config import constraints
from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.networks.adapter import Adapter
from cnn_anatomy.networks.adaptive_average import replace_adaptive_averages
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
from cnn_anatomy.networks.backbone_weights import published_state
from cnn_anatomy.networks.checkpoints import require_fit
from cnn_anatomy.networks.interface import Network
from cnn_anatomy.networks.network import Composed, run_or_refuse, shapes_after
from cnn_anatomy.networks.norm import Batch
from cnn_anatomy.networks.stems import Rescale
from cnn_anatomy.networks.surgery import NO_SURGERY, Surgery


@dataclass(frozen=True)
class Kind:
    """A family of torchvision's models.

    Args:
        classifier: name of the last layer in the state dict.
        parts: groups the modules of a model; None where stages are its children (see `Adapter`).
        inception: whether the constructor takes `aux_logits` and `init_weights`.
        sides: names of the last layers of its auxiliary heads.
        pixels: side of the images it was designed for.
        sized: for a model that is built for one side of images, its keywords for that side.
    """

    classifier: str
    parts: Callable[[Any], Parts] | None = None
    inception: bool = False
    sides: tuple[str, ...] = ()
    pixels: int = 224
    sized: Callable[[int], dict[str, Any]] = lambda side: {}


# fmt: off
BackboneName = Literal[
    "alexnet", "convnext_base", "convnext_large", "convnext_small", "convnext_tiny",
    "densenet121", "densenet161", "densenet169", "densenet201", "efficientnet_b0",
    "efficientnet_b1", "efficientnet_b2", "efficientnet_b3", "efficientnet_b4",
    "efficientnet_b5", "efficientnet_b6", "efficientnet_b7", "efficientnet_v2_l",
    "efficientnet_v2_m", "efficientnet_v2_s", "googlenet", "inception_v3", "maxvit_t",
    "mnasnet0_5", "mnasnet0_75", "mnasnet1_0", "mnasnet1_3", "mobilenet_v2",
    "mobilenet_v3_large", "mobilenet_v3_small", "regnet_x_16gf", "regnet_x_1_6gf",
    "regnet_x_32gf", "regnet_x_3_2gf", "regnet_x_400mf", "regnet_x_800mf", "regnet_x_8gf",
    "regnet_y_128gf", "regnet_y_16gf", "regnet_y_1_6gf", "regnet_y_32gf", "regnet_y_3_2gf",
    "regnet_y_400mf", "regnet_y_800mf", "regnet_y_8gf", "resnet101", "resnet152", "resnet18",
    "resnet34", "resnet50", "resnext101_32x8d", "resnext101_64x4d", "resnext50_32x4d",
    "shufflenet_v2_x0_5", "shufflenet_v2_x1_0", "shufflenet_v2_x1_5", "shufflenet_v2_x2_0",
    "squeezenet1_0", "squeezenet1_1", "swin_b", "swin_s", "swin_t", "swin_v2_b", "swin_v2_s",
    "swin_v2_t", "vgg11", "vgg11_bn", "vgg13", "vgg13_bn", "vgg16", "vgg16_bn", "vgg19",
    "vgg19_bn", "vit_b_16", "vit_b_32", "vit_h_14", "vit_l_16", "vit_l_32", "wide_resnet101_2",
    "wide_resnet50_2",
]
# fmt: on
# By the beginning of a model's name.
FAMILIES = {
    "alexnet": Kind("classifier.6"),
    "convnext": Kind("classifier.2"),
    "densenet": Kind("classifier", densenet_parts),
    "efficientnet": Kind("classifier.1"),
    "googlenet": Kind("fc", googlenet_parts, True, ("aux1.fc2", "aux2.fc2")),
    "inception": Kind("fc", inception_v3_parts, True, ("AuxLogits.fc",), 299),
    "maxvit": Kind("classifier.5", sized=lambda side: {"input_size": (side, side)}),
    "mnasnet": Kind("classifier.1"),
    "mobilenet_v2": Kind("classifier.1"),
    "mobilenet_v3": Kind("classifier.3"),
    "regnet": Kind("fc"),
    "resne": Kind("fc", resnet_parts),
    "shufflenet": Kind("fc"),
    "squeezenet": Kind("classifier.1"),
    "swin": Kind("head"),
    "vgg": Kind("classifier.6", vgg_parts),
    "vit": Kind("heads.head", sized=lambda side: {"image_size": side}),
    "wide_resnet": Kind("fc", resnet_parts),
}
BACKBONES = {
    name: next(kind for family, kind in FAMILIES.items() if name.startswith(family))
    for name in get_args(BackboneName)
}


def backbone(
    *,
    name: BackboneName,
    weights: str | None,
    resize: Annotated[int, Ge(1), Le(4096)] | None,
    auxiliary: Auxiliary,
    surgery: Surgery = NO_SURGERY,
    channels: int,
    size: tuple[int, int],
    classes: int,
) -> Network:
    """Build torchvision's model `name` with `classes` logits, for images of any channels.

    A classifier with another number of classes is initialised anew. If images don't have three
    channels, the filters of the first convolution are summed over RGB and shared among them.

    Args:
        name: one of BACKBONES.
        weights: None for torchvision's initialisation, the name of weights that torchvision
            downloads (IMAGENET1K_V1), or a file with a state dict.
        resize: side in pixels to which images are scaled first, bilinearly; None to leave them.
        auxiliary: `Own` for torchvision's auxiliary heads, otherwise ours after its stages.
        surgery: replaces modules of it.
        channels: of the images.
        size: (H, W) of the images in pixels.
        classes: number of logits.

    Raises:
        ConfigError: if the name or the weights are unknown, the download fails, or the images
            are too small.
    """
    if name not in BACKBONES:
        names = ", ".join(BACKBONES)
        raise ConfigError(f"name={name} is none of {names}{did_you_mean(name, BACKBONES)}")
    kind = BACKBONES[name]
    own_heads = isinstance(auxiliary, Own)
    if own_heads:
        constraints.require_backbone_heads(name)
    state = None if weights is None else published_state(name, weights)
    sized = _sized(name, kind, size, resize)
    model = _model(name, kind, state, channels, classes, own_heads, sized)
    image = torch.zeros(1, channels, *((resize, resize) if resize else size))
    shared: dict[str, Any] = {
        "auxiliary": auxiliary,
        "surgery": surgery,
        "subject": f"model.name={name}",
        "resize": resize,
        "larger": f"have them scaled, model.resize={kind.pixels}",
    }
    if kind.parts is None:
        return Adapter(model, image, classes, **shared)
    rescales = kind.inception and state is not None and channels == 3
    entrance = [Rescale(channels)] if rescales else []  # torchvision's transform_input
    return _grouped(kind.parts(model), entrance, image, classes, **shared)


def _grouped(
    parts: Parts,
    entrance: Sequence[nn.Module],
    image: Tensor,
    classes: int,
    *,
    auxiliary: Auxiliary,
    surgery: Surgery,
    subject: str,
    resize: int | None,
    larger: str,
) -> Network:
    """Return the network of `parts`, which `entrance` precedes; for the others, see `Adapter`."""
    height, width = image.shape[-2:]
    shapes = run_or_refuse(
        lambda x: _shapes(entrance, parts, x),
        image,
        f"images of {height}×{width} pixels are too small for {subject}: {larger}",
    )
    scale = [nn.Upsample((resize, resize), mode="bilinear")] if resize else []
    own_heads = isinstance(auxiliary, Own)
    sides = {str(k): side for k, side in parts.auxiliary.items()} if own_heads else {}
    network = Composed(
        nn.Sequential(*scale, *entrance, *parts.stem),
        [nn.Sequential(*stage) for stage in parts.stages],
        BackboneHead(parts.before, parts.classifier),
        nn.ModuleDict(sides),
    )
    network.replaced = surgery(network, image, subject)
    if not own_heads:
        network.auxiliary = auxiliary.build(shapes, classes, norm=Batch, activation=nn.ReLU)
        replace_adaptive_averages(network.auxiliary)
    return network


def _model(
    name: str,
    kind: Kind,
    state: dict[str, Tensor] | None,
    channels: int,
    classes: int,
    own_heads: bool,
    sized: dict[str, Any],
) -> nn.Module:
    """Return torchvision's model with the weights `state`, for these channels and classes."""
    trained_classes = classes if state is None else _classes(state, kind)
    options: dict[str, Any] = {"num_classes": trained_classes, **sized}
    if kind.inception:
        options |= {"aux_logits": own_heads, "init_weights": state is None}
    model = torchvision.models.get_model(name, weights=None, **options)
    if state is not None:
        _load(model, state, kind, own_heads)
    if trained_classes != classes:
        for layer in (kind.classifier, *(kind.sides if own_heads else ())):
            old = model.get_submodule(layer)
            model.set_submodule(layer, _with_classes(old, classes))
    if channels != 3:
        _adapt(model, channels, pretrained=state is not None)
    return model


def _sized(name: str, kind: Kind, size: tuple[int, int], resize: int | None) -> dict[str, Any]:
    """Return the keywords of a model that is built for one side of images.

    Raises:
        ConfigError: if it can't be built for the side of these.
    """
    height, width = (resize, resize) if resize else size
    sized = kind.sized(height)
    if not sized:
        return {}
    refusal = ConfigError(
        f"images of {height}×{width} pixels don't fit model.name={name}: have them scaled, "
        f"model.resize={kind.pixels}"
    )
    if height != width:
        raise refusal
    try:
        with torch.device("meta"):
            torchvision.models.get_model(name, weights=None, **sized)
    except (AssertionError, ValueError) as error:
        raise refusal from error
    return sized


def _with_classes(old: nn.Linear | nn.Conv2d, classes: int) -> nn.Module:
    """Return a new classifier in place of the `old` one, a linear layer or a 1×1 convolution."""
    if isinstance(old, nn.Conv2d):
        return nn.Conv2d(old.in_channels, classes, 1)
    return nn.Linear(old.in_features, classes)


def _shapes(
    entrance: Sequence[nn.Module], parts: Parts, image: Tensor
) -> list[tuple[int, int, int]]:
    """Return the map shapes after each stage, once the auxiliary heads have run on theirs."""
    stages = [nn.Sequential(*stage) for stage in parts.stages]
    shapes = shapes_after(nn.Sequential(*entrance, *parts.stem), stages, image)
    for k, side in parts.auxiliary.items():
        with torch.no_grad():
            side.eval()(torch.zeros(1, *shapes[k - 1]))
        side.train()
    return shapes


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
