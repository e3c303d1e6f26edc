"""Every pair of axis choices builds, runs and learns, or is refused by name.

By default the published models (`LARGE`) meet a few choices of each axis (`FEW`), and all choices
meet each other in the small models; the other pairs of the published models are slow tests.
"""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers import composed
from omegaconf import OmegaConf

from cnn_anatomy.errors import ConfigError, sentence
from cnn_anatomy.paths import REPOSITORY
from cnn_anatomy.training import build

AXES = (
    *("model", "block", "pooling", "skip", "norm", "activation", "init"),
    *("inception", "head", "aux", "freeze"),
)
CHOICES = {a: sorted(p.stem for p in (REPOSITORY / "conf" / a).glob("*.yaml")) for a in AXES}
LARGE = set(CHOICES["model"]) - {"resnet", "plain", "vgg", "inception"}
FEW = {
    *("block=bottleneck", "pooling=blur_strided", "skip=dense", "norm=group", "activation=elu"),
    *("init=xavier", "inception=reduced", "head=flatten", "aux=heads", "aux=own", "freeze=stages"),
}


def case(model, setting):
    """Return a pair, slow where a published model meets one of many choices."""
    slow = model.removeprefix("model=") in LARGE and setting not in FEW
    marks = [pytest.mark.slow] if slow else []
    return pytest.param((model, setting), marks=marks, id=f"{model} {setting}")


PAIRS = [
    case(f"{a}={x}", f"{b}={y}")
    for a, b in itertools.combinations(AXES, 2)
    for x, y in itertools.product(CHOICES[a], CHOICES[b])
]
STAGE = {"_target_": "cnn_anatomy.networks.Stage"}
MODULE = [2, 2, 2, 1, 2, 2]
GOOGLENET = {
    "stem": {"width": 4, "out": 8},
    "stages": [
        {**STAGE, "widths": [MODULE] * n, "halve": halve}
        for n, halve in ((2, "before"), (1, "before"), (3, "never"), (1, "never"), (2, "before"))
    ],
}
SIZES: dict[str, dict[str, Any]] = {
    "resnet": {"depth": 8, "width": 4},
    "plain": {"depth": 8, "width": 4},
    "vgg": {"stages": [[4], [8], [8, 8]]},
    "inception": {"width": 8},
    **{f"resnet{depth}": {"blocks": [1, 1, 1], "width": 4} for depth in (18, 34, 50)},
    "vgg16": {"stages": [[4], [8], [8]]},
    "all_cnn": {"width": 4},
    "nin": {
        "stages": [
            {**STAGE, "widths": [[4, 5], [4, 1]], "halve": "after", "dropout": 0.5},
            {**STAGE, "widths": [[8, 5]], "halve": "after"},
            {**STAGE, "widths": [[8, 3]]},
        ]
    },
    **dict.fromkeys(("googlenet", "googlenet_torchvision"), GOOGLENET),
    "torchvision": {},
}
# Models whose blocks are Inception modules.
NATIVE = {
    "inception": {"block": "none", "inception": "reduced"},
    "googlenet": {"block": "none", "inception": "googlenet"},
    "googlenet_torchvision": {"block": "none", "inception": "torchvision"},
}
# Of parts that are made for large networks.
NARROW = {
    "head=fully_connected": {"hidden": [8, 8]},
    "aux=heads": {"hidden": 8},
    "aux=googlenet": {"width": 8, "hidden": 8},
}
# The axes that torchvision's networks take from us, and what else they must be left at.
TAKEN = {
    **{"block": ("none",), "pooling": ("none",), "skip": ("none",), "norm": ("batch",)},
    **{"activation": ("relu",), "init": ("default",), "inception": ("none",), "head": ("gap",)},
    "aux": ("none", "heads", "googlenet"),
}


def refusal(chosen, given, config):
    """Return the setting that a refusal must name, None for a pair that has a meaning."""
    model, block, depth = chosen["model"], chosen["block"], config.inception.depth
    if model == "torchvision":
        odd = [axis for axis, choice in given.items() if choice not in TAKEN.get(axis, (choice,))]
        return f"{odd[0]}" if odd else None
    if chosen["aux"] == "own":
        return "aux=own"
    if model in NATIVE:
        if block != "none":
            return "block="
        wrong = depth != 9 if model.startswith("googlenet") else depth == 0
        return f"inception.depth={depth}" if wrong else None
    if depth:
        return f"inception.depth={depth}"
    return "block=none" if block == "none" else None


@pytest.fixture(scope="module")
def parts():
    """Return every choice of every axis as the real files have it, composed once."""
    models = {m: composed(f"model={m}") for m in CHOICES["model"]}
    options = {
        f"{axis}={choice}": composed(f"{axis}={choice}")[axis]
        for axis in AXES[1:]
        for choice in CHOICES[axis]
    }
    return models, options


def configured(pair, parts):
    """Return the configuration of a pair, and the setting that a refusal of it must name.

    Modules, and the block that stands for them, are put into the Inception network; all else
    into a ResNet, unless the pair names its model.
    """
    given = dict(setting.split("=") for setting in pair)
    modules = given.get("inception", "none") != "none" or given.get("block") == "none"
    model = given.pop("model", "inception" if modules else "resnet")
    models, options = parts
    config = models[model].copy()
    native = NATIVE.get(model, {})
    chosen = {"model": model, "block": "basic", "inception": "none", "aux": "none", **native}
    chosen |= given
    for axis, choice in given.items():
        config[axis] = OmegaConf.merge(
            options[f"{axis}={choice}"], NARROW.get(f"{axis}={choice}", {})
        )
    size: dict[str, Any] = dict(SIZES[model])
    if given.get("block") == "bottleneck" and "depth" in size:
        size["depth"] = 11  # 9n + 2
    config.model = OmegaConf.merge(config.model, size)
    if model == "vgg16" and "head" not in given:
        config.head.hidden = NARROW["head=fully_connected"]["hidden"]
    return config, refusal(chosen, given, config)


@pytest.mark.parametrize("pair", PAIRS)
def test_pair(pair, parts, digits):
    config, named = configured(pair, parts)
    if named is not None:
        with pytest.raises(Exception) as refused:  # noqa: PT011
            build(config, digits)
        error = refused.value
        assert isinstance(error, ConfigError) or isinstance(error.__cause__, ConfigError)
        assert named in sentence(error)
        return
    classifier, _ = build(config, digits)
    images, labels = digits.load().train.images[:4].float() / 255, torch.arange(4)
    output = classifier.train().network(images)
    assert output.logits.shape == (4, 10)
    assert [a.shape for a in output.auxiliary] == [(4, 10)] * len(config.aux.get("stages", ()))
    losses = [F.cross_entropy(o, labels) for o in (output.logits, *output.auxiliary)]
    torch.stack(losses).sum().backward()
    for name, parameter in classifier.network.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
        else:
            assert parameter.grad is None, name
    with torch.no_grad():
        assert classifier.eval()(images).shape == (4, 10)
