"""Any configuration trains two steps, or is refused by a sentence; no other error."""

import pytest
import torch
from helpers import composed
from hydra import compose, initialize_config_dir
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import OmegaConf

from cnn_anatomy.config.validation import check_config
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.instantiation import instantiate
from cnn_anatomy.core.paths import CONF
from cnn_anatomy.core.sentences import sentence
from cnn_anatomy.training.build import build_classifier
from cnn_anatomy.training.fit import fit
from cnn_anatomy.training.run_spec import RunSpec

AXES = (
    *("block", "pooling", "skip", "norm", "activation", "init", "inception", "head", "aux"),
    *("conv", "attention", "residual"),
    *("freeze", "optimizer", "scheduler", "probes", "model"),
)
STAGE = "_target_: cnn_anatomy.networks.Stage"
MODULES = f"model.stages=[{', '.join(3 * [f'{{{STAGE}, widths: {3 * [[2, 2, 2, 1, 2, 2]]}}}'])}]"
NARROW = [MODULES, "model.stem.width=4", "model.stem.out=8"]
SIZES = {
    "resnet": ["model.width=4"],
    "plain": ["model.width=4"],
    "vgg": ["model.stages=[[4],[8],[8,8]]"],
    "inception": ["model.width=8", "inception.depth=3"],
    **{f"resnet{depth}": ["model.width=4", "model.blocks=[1,1]"] for depth in (18, 34, 50)},
    "vgg16": ["model.stages=[[4],[8],[8]]"],
    "all_cnn": ["model.width=4"],
    "nin": [f"model.stages=[{{{STAGE}, widths: [[4, 5], [4, 1]], halve: after}}]"],
    **dict.fromkeys(("googlenet", "googlenet_torchvision"), NARROW),
    "torchvision": [],
    "series": ["model.stem.width=4", f"model.stages=[{{{STAGE}, widths: [4, 8], halve: first}}]"],
    "wide_resnet": ["model.widening=1"],
    "own": ["model.target=own_networks.Deep"],
}
DEPTHS = {"resnet": 8, "plain": 8, "wide_resnet": 10}  # three more with three convolutions a block
NUMBERS = {
    "model.depth": st.sampled_from([8, 9, 11, 14, 2, -4]),
    "model.width": st.sampled_from([0, 1, 3, 4, 8]),
    "model.stages": st.sampled_from(["[[1]]", "[[]]", "[[4],[4],[4],[4],[4],[4]]", "[]"]),
    "model.widening": st.integers(0, 2),
    "model.close": st.booleans(),
    "block.expansion": st.integers(0, 3),
    "pooling.kernel": st.integers(1, 4),
    "pooling.size": st.integers(0, 6),
    "pooling.p": st.sampled_from([0, 0.5, 1, 3.5, 50]),
    "skip.scale": st.sampled_from([-1, 0, 0.3, 1]),
    "conv.groups": st.integers(0, 4),
    "attention.reduction": st.sampled_from([0, 1, 100]),
    "residual.drop": st.sampled_from([0, 0.3, 1]),
    "residual.start": st.sampled_from([0, 1e-6, 1]),
    "norm.groups": st.sampled_from([0, 1, 3, 8]),
    "init.std": st.sampled_from([-0.1, 0, 0.01]),
    "inception.depth": st.integers(-1, 4),
    "head.hidden": st.sampled_from([-1, 0, 1, 8]),
    "head.dropout": st.sampled_from([0, 0.5, 1]),
    "aux.stages": st.sampled_from(["[]", "[1]", "[0]", "[3]", "[4]", "[2,2]"]),
    "aux.weight": st.sampled_from([-1, 0, 0.3]),
    "aux.decay": st.sampled_from([0, 1, 2]),
    "aux.pool": st.integers(0, 3),
    "aux.width": st.integers(0, 3),
    "freeze.layers": st.sampled_from([-1, 0, 1, 7, 8, 50]),
    "freeze.stages": st.integers(-1, 4),
    "optimizer.lr": st.sampled_from([0, 1e-3, 1]),
    "optimizer.momentum": st.sampled_from([0, 0.9, 1]),
    "optimizer.weight_decay": st.sampled_from([-1, 0]),
    "scheduler.pct_start": st.sampled_from([0, 0.01, 0.5, 1]),
    "data.batch_size": st.sampled_from([0, 1, 2, 20, 500]),
    "data.classes": st.sampled_from(["[0]", "[0,1]", "[9,9]", "[3,17]", "null"]),
    "data.train_limit": st.sampled_from([0, 1, 5, 30]),
    "data.augment.pad": st.sampled_from([-1, 0, 30]),
    "data.source.canvas": st.sampled_from([8, 12, 20, 33]),
    "probes.gradients.every": st.integers(0, 3),
    "probes.shift.reach": st.sampled_from([0, 1, 40]),
    "trainer.gradient_clip_val": st.sampled_from([0, 1.0]),
    "seed": st.sampled_from([-1, 0, 2**31]),
    "threads": st.integers(0, 1),
}
BATCHES = st.sampled_from([0, 1, 2, 100, 0.0, 0.3, 1.0, 1.5, "null"])
TRAINER = {
    "max_epochs": st.sampled_from([0, 1, 2, "null"]),
    "max_steps": st.sampled_from([-2, -1, 0, 1, 3, 100]),
    "fast_dev_run": st.sampled_from(["true", "false", 2]),
    **{f"limit_{split}_batches": BATCHES for split in ("train", "val", "test")},
    "val_check_interval": BATCHES,
    "check_val_every_n_epoch": st.sampled_from([0, 1, 2, "null"]),
    "accumulate_grad_batches": st.integers(0, 3),
    "gradient_clip_algorithm": st.sampled_from(["norm", "value", "null"]),
    "detect_anomaly": st.booleans(),
    "inference_mode": st.booleans(),
    "benchmark": st.booleans(),
    "max_time": st.just("1"),
    "min_steps": st.just(1),
}
CHOICES = {a: sorted(p.stem for p in (CONF / a).glob("*.yaml")) for a in AXES}
CHOICES["model"].remove("timm")  # which may not be installed


@st.composite
def overrides(draw):
    """Return overrides: an option of some axes, settings of the trainer, numbers that are there."""
    axes = draw(st.lists(st.sampled_from(AXES), max_size=8, unique=True))
    chosen = {axis: draw(st.sampled_from(CHOICES[axis])) for axis in sorted(axes, key=AXES.index)}
    words = [f"{axis}={option}" for axis, option in chosen.items()]
    words += SIZES[chosen.get("model", "resnet")]
    if depth := DEPTHS.get(chosen.get("model", "resnet")):
        more = 3 * (str(chosen.get("block")).endswith("bottleneck"))
        words.append(f"model.depth={depth + more}")
    base = composed(*words)
    if OmegaConf.is_list(base.head.get("hidden")):
        words.append("head.hidden=[8,8]")
    there = [k for k in NUMBERS if OmegaConf.select(base, k, throw_on_missing=False) is not None]
    keys = draw(st.lists(st.sampled_from(there), max_size=2, unique=True))
    settings = draw(st.lists(st.sampled_from(list(TRAINER)), max_size=3, unique=True))
    words += [f"++trainer.{key}={draw(TRAINER[key])}" for key in settings]
    return [*words, *(f"{key}={draw(NUMBERS[key])}" for key in keys)]


def train(words, cache):
    """Check, build and train two steps as a run does, and test."""
    small = [
        *("data.source.train=40", "data.source.val=20", "data.source.test=20"),
        *("data.batch_size=20", "trainer.max_epochs=1", "trainer.precision=32-true"),
        "++trainer.limit_train_batches=2",
        *(f"paths.cache={cache}", "trainer.accelerator=cpu"),
    ]
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [*small, *words], return_hydra_config=True)
    check_config(config, config.hydra.runtime.choices)
    config = OmegaConf.masked_copy(config, [k for k in config if k != "hydra"])
    OmegaConf.resolve(config)
    data = instantiate(config.data, _convert_="all")
    spec = RunSpec.of(config)
    classifier, _ = build_classifier(spec, data)
    metrics, _ = fit(spec, classifier, data, logger=None)
    assert 0 <= metrics["test/accuracy"] <= 1


def trains_or_is_refused(words, cache):
    refused = None
    try:
        train(words, cache)
    except ConfigError as error:
        refused = error
    finally:
        torch.use_deterministic_algorithms(False)
    if refused is not None:
        assert sentence(refused)


LOOSE = list(HealthCheck)  # an example takes as long as it takes


@settings(max_examples=25, suppress_health_check=LOOSE, derandomize=True)
@given(words=overrides())
def test_any_configuration_trains_or_is_refused(words, tmp_path_factory):
    trains_or_is_refused(words, tmp_path_factory.getbasetemp() / "cache")


@pytest.mark.slow
@settings(max_examples=400, suppress_health_check=LOOSE)
@given(words=overrides())
def test_many_more(words, tmp_path_factory):
    trains_or_is_refused(words, tmp_path_factory.getbasetemp() / "cache")
