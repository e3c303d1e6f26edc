"""Every pair of axis choices builds, runs and learns, or is refused by name."""

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
PAIRS = [
    (f"{a}={x}", f"{b}={y}")
    for a, b in itertools.combinations(AXES, 2)
    for x, y in itertools.product(CHOICES[a], CHOICES[b])
]
SIZES = {
    "resnet": {"depth": 8, "width": 4},
    "plain": {"depth": 8, "width": 4},
    "vgg": {"stages": [[4], [8], [8, 8]]},
    "inception": {"width": 8},
}


def refusal(chosen):
    """Return the setting that a refusal must name, None for a pair that has a meaning."""
    model, block, modules = chosen["model"], chosen["block"], chosen["inception"]
    if model == "inception":
        if modules == "none":
            return "inception.depth=0"
        return None if block == "none" else "block="
    if modules != "none":
        return "inception.depth=3"
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
    """Return the configuration of a pair, and the choices of the axes that may clash.

    Modules, and the block that stands for them, are put into the Inception network; all else
    into a ResNet, unless the pair names its model.
    """
    given = dict(setting.split("=") for setting in pair)
    modules = given.get("inception", "none") != "none" or given.get("block") == "none"
    model = given.pop("model", "inception" if modules else "resnet")
    models, options = parts
    config = models[model].copy()
    native = {"block": "none", "inception": "reduced"} if model == "inception" else {}
    chosen = {"model": model, "block": "basic", "inception": "none", **native, **given}
    for axis, choice in given.items():
        config[axis] = options[f"{axis}={choice}"]
    size: dict[str, Any] = dict(SIZES[model])
    if given.get("block") == "bottleneck" and "depth" in size:
        size["depth"] = 11  # 9n + 2
    config.model = OmegaConf.merge(config.model, size)
    return config, chosen


@pytest.mark.parametrize("pair", PAIRS, ids=" ".join)
def test_pair(pair, parts, digits):
    config, chosen = configured(pair, parts)
    named = refusal(chosen)
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
    assert [a.shape for a in output.auxiliary] == [(4, 10)] * len(config.aux.stages)
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
