"""Every pair of axis choices builds, runs and learns, or is refused by name.

A pair that has no meaning is a case of its own. Those that have one are tested many at a time: a
case chooses on every axis, and the cases together hold each pair (pairwise testing, Cohen et al.
1997), each in the company of other choices than the defaults.
"""

import itertools
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from helpers import composed
from hydra.utils import instantiate
from omegaconf import OmegaConf

from cnn_anatomy.config.options import written
from cnn_anatomy.config.rules import broken_rules
from cnn_anatomy.config.signatures import signature
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import CONF
from cnn_anatomy.core.sentences import sentence
from cnn_anatomy.training.build import build_classifier
from cnn_anatomy.training.run_spec import RunSpec

AXES = (
    *("model", "block", "pooling", "skip", "norm", "activation", "init"),
    *("conv", "attention", "residual", "inception", "head", "aux", "freeze"),
)
FILES = {a: {p.stem: OmegaConf.load(p) for p in sorted((CONF / a).glob("*.yaml"))} for a in AXES}
CHOICES = {a: list(files) for a, files in FILES.items()}
CHOICES["model"].remove("timm")  # which may not be installed; tests/networks/test_timm.py has it
PAIRS = [
    frozenset({(a, x), (b, y)})
    for a, b in itertools.combinations(AXES, 2)
    for x, y in itertools.product(CHOICES[a], CHOICES[b])
]
STAGE = {"_target_": "cnn_anatomy.networks.Stage"}
MODULE = [2, 2, 2, 2, 2, 2]
GOOGLENET = {
    "stem": {"width": 4, "out": 8},
    "stages": [
        {**STAGE, "widths": [MODULE] * n, "halve": halve}
        for n, halve in ((2, "before"), (1, "before"), (3, "never"), (1, "never"), (2, "before"))
    ],
}
SIZES: dict[str, dict[str, Any]] = {
    "resnet": {"depth": 8, "width": 8},
    "plain": {"depth": 8, "width": 8},
    "vgg": {"stages": [[8], [8], [8, 8]]},
    "inception": {"width": 64},  # the least that two groups divide
    **{f"resnet{depth}": {"blocks": [1, 1, 1], "width": 8} for depth in (18, 34, 50)},
    "vgg16": {"stages": [[8], [8], [8]]},
    "all_cnn": {"width": 8},
    "nin": {
        "stages": [
            {**STAGE, "widths": [[8, 5], [8, 1]], "halve": "after", "dropout": 0.5},
            {**STAGE, "widths": [[8, 5]], "halve": "after"},
            {**STAGE, "widths": [[8, 3]]},
        ]
    },
    **dict.fromkeys(("googlenet", "googlenet_torchvision"), GOOGLENET),
    "torchvision": {},
    "series": {
        "stem": {"width": 8},
        "stages": [
            {**STAGE, "widths": [8, 8]},
            {**STAGE, "widths": [8], "halve": "after", "compress": 0.5},
            {**STAGE, "widths": [8], "halve": "first"},
        ],
    },
    "wide_resnet": {"depth": 10, "widening": 1},
    "own": {"target": "own_networks.Deep"},
}
# Of parts that are made for large networks.
NARROW = {
    "head=fully_connected": {"hidden": [8, 8]},
    "head=gap_widened": {"width": 16},
    "head=gap_widened_dropout": {"width": 16},
    "conv=grouped32": {"groups": 2},
    "conv=group_width": {"width": 2},
    "block=shuffle_unit": {"groups": 1},
    "aux=heads": {"hidden": 8},
    "aux=googlenet": {"width": 16, "hidden": 8},
}


def choices_in(defaults):
    """Return the options that a defaults list of conf/ chooses, by group."""
    chosen = {}
    for line in defaults:
        if line in CHOICES["model"]:
            chosen |= choices_in(FILES["model"][line].get("defaults", []))
        elif OmegaConf.is_dict(line):
            chosen |= {k.removeprefix("override /").partition("@")[0]: v for k, v in line.items()}
    return chosen


DEFAULTS = choices_in(OmegaConf.load(CONF / "train.yaml").defaults)
BY_MODEL = {m: choices_in([m]) for m in CHOICES["model"]}


def completed(given):
    """Return `given` with a choice on every other axis.

    Modules, and the block that stands for them, are put into the Inception network; all else
    into a ResNet, unless the model is given.
    """
    modules = given.get("inception", "none") != "none" or given.get("block") == "none"
    model = given.get("model", "inception" if modules else "resnet")
    return {**DEFAULTS, **BY_MODEL[model], "model": model, **given}


def refusals(given):
    """Return the sentences that these choices are refused with before PyTorch is imported."""
    chosen = completed(given)
    sizes = sized(chosen)
    settings = {
        group: {**written(group, option), **sizes.get(group, {})}
        for group, option in chosen.items()
        if not group.startswith("override ")  # Hydra's own
    }
    settings["model"] = {
        key: settings[value[2:-1]] if str(value).startswith("${") else value  # a part: ${pooling}
        for key, value in settings["model"].items()
    }
    return list(broken_rules(settings))


def sized(chosen):
    """Return the settings that make a case small, by axis."""
    size = dict(SIZES[chosen["model"]])
    block = signature(written("block", chosen["block"])["_target_"])
    if block.attributes.get("convolutions") == 3 and "depth" in size:
        size["depth"] += 3  # 9n + 2 or 9n + 4
    narrow = {axis: NARROW.get(f"{axis}={choice}", {}) for axis, choice in chosen.items()}
    return {**{axis: small for axis, small in narrow.items() if small}, "model": size}


def pairs(given):
    """Return every pair of choices that `given` holds."""
    return {frozenset(two) for two in itertools.combinations(given.items(), 2)}


# Blocks with a norm of their input's channels.
NORM_FIRST = (
    *("preactivation", "preactivation_shared", "preactivation_bottleneck"),
    *("dense_layer", "narrow_dense_layer", "convnext"),
)


def refused_when_built(given):
    """Return whether a case is one that only the network's widths show to have no meaning."""
    chosen = completed(given)
    stemless = chosen["model"] in ("vgg", "vgg16", "all_cnn", "nin")
    grouped = chosen["conv"] in ("grouped", "grouped32", "group_width")
    # Two groups do not divide channels that the images' own are among.
    indivisible = stemless and chosen["skip"] == "dense" and grouped
    # In the small networks but one, no block need keep its input's shape.
    skipless = chosen["skip"] == "same_shape" and chosen["model"] != "series"
    # The digits have one channel, which a norm of the channels at each pixel makes zero.
    normed = stemless and chosen["norm"] == "layer"
    zero = normed and (chosen["block"] in NORM_FIRST or chosen["skip"] == "norm_first")
    # A path of concatenations begins with as many channels as there are groups, on one pixel.
    narrow = chosen["block"] == "dual_path" and chosen["norm"] == "group"
    alone = narrow and chosen["model"] in ("resnet18", "resnet34", "resnet50")
    return indivisible or (skipless and chosen["residual"] != "none") or zero or alone


def together(wanted):
    """Return choices on every axis, cases that hold each of the `wanted` pairs."""
    left, cases = dict.fromkeys(wanted), []
    while left:
        given = dict(next(iter(left)))
        for axis in AXES:
            if axis in given:
                continue
            choices = [{**given, axis: choice} for choice in CHOICES[axis]]
            allowed = [x[axis] for x in choices if not refusals(x) and not refused_when_built(x)]
            if allowed:
                new = {c: len(pairs({**given, axis: c}) & left.keys()) for c in allowed}
                given[axis] = max(allowed, key=lambda c: new[c])
        cases.append(given)
        for pair in pairs(given):
            left.pop(pair, None)
    return cases


def named(given):
    """Return a case's choices as they are typed."""
    return " ".join(f"{axis}={given[axis]}" for axis in AXES if axis in given)


REFUSED = [dict(pair) for pair in PAIRS if refusals(dict(pair))]
TRAINED = together([pair for pair in PAIRS if dict(pair) not in REFUSED])


@pytest.fixture(scope="module")
def models():
    """Return every model's configuration, composed once."""
    return {m: composed(f"model={m}") for m in CHOICES["model"]}


@pytest.fixture(scope="module")
def larger(small):
    """Return digits that are large enough for the five poolings of GoogLeNet."""
    config = small("data.source.canvas=64")
    OmegaConf.resolve(config)
    return instantiate(config.data, _convert_="all")


def chosen_data(given, digits, larger):
    """Return the images that a case's model is large enough for."""
    return larger if given.get("model", "").startswith("googlenet") else digits


def configured(given, models):
    """Return the configuration of a case, at a small size."""
    chosen = completed(given)
    config = models[chosen["model"]].copy()
    for axis, choice in given.items():
        if axis != "model":
            config[axis] = written(axis, choice)
    return OmegaConf.merge(config, sized(chosen))


def test_every_pair_is_in_a_case():
    held = set().union(*map(pairs, TRAINED), *map(pairs, REFUSED))
    assert held == set(PAIRS)


@pytest.mark.parametrize("given", REFUSED, ids=named)
def test_refused_by_the_network_as_before_it_is_built(given, models, digits, larger):
    with pytest.raises(Exception) as refused:  # noqa: PT011
        build_classifier(RunSpec.of(configured(given, models)), chosen_data(given, digits, larger))
    error = refused.value
    assert isinstance(error, ConfigError) or isinstance(error.__cause__, ConfigError)
    assert sentence(error) in refusals(given)


@pytest.mark.parametrize("given", TRAINED, ids=named)
def test_trained(given, models, digits, larger):
    config = configured(given, models)
    data = chosen_data(given, digits, larger)
    classifier, _ = build_classifier(RunSpec.of(config), data)
    images, labels = data.load().train.images[:4].float() / 255, torch.arange(4)
    output = classifier.train().network(images)
    assert output.logits.shape == (4, 10)
    heads = len(config.aux.get("stages", ())) or given.get("aux") == "own"
    assert [a.shape for a in output.auxiliary] == [(4, 10)] * heads
    losses = [F.cross_entropy(o, labels) for o in (output.logits, *output.auxiliary)]
    torch.stack(losses).sum().backward()
    for name, parameter in classifier.network.named_parameters():
        if parameter.requires_grad and not ("side" in name and given.get("aux") != "own"):
            assert parameter.grad is not None, name
            assert parameter.grad.isfinite().all(), name
        else:  # frozen, or of an auxiliary head that is left out
            assert parameter.grad is None, name
    with torch.no_grad():
        assert classifier.eval()(images).shape == (4, 10)
