"""Every name that a table of `config` holds exists, and every key of conf/ is checked."""

import ast
from dataclasses import fields
from importlib import import_module

import pytest
import yaml
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher

from cnn_anatomy.config import architecture_rules, rules
from cnn_anatomy.config.annotations import bounds
from cnn_anatomy.config.limits import (
    NARROWED,
    OptimizerKeys,
    PathKeys,
    RunKeys,
    SchedulerKeys,
    TrackingKeys,
    TrainerKeys,
)
from cnn_anatomy.config.options import option_names, top_level, written
from cnn_anatomy.config.signatures import signature
from cnn_anatomy.config.targets import (
    CALLED,
    FORWARDED,
    SUPPLIED,
    key_kind,
    settable,
    target_signature,
)
from cnn_anatomy.core.paths import CONF

GROUPS, KEYS = top_level()
FILES = sorted(file for group in GROUPS for file in (CONF / group).glob("*.yaml"))
LAUNCHERS = sorted((CONF / "hydra" / "launcher").glob("*.yaml"))


def nodes(node, path):
    """Yield every mapping of a file and its dotted name, those in lists included."""
    if isinstance(node, list):
        for index, element in enumerate(node):
            yield from nodes(element, f"{path}[{index}]")
    elif isinstance(node, dict):
        yield path, node
        for key, value in node.items():
            yield from nodes(value, f"{path}.{key}")


PARTS = [
    (path, node)
    for file in FILES
    for path, node in nodes(written(file.parent.name, file.stem), file.parent.name)
    if not path.startswith("transfer.source")  # changes of a configuration, checked in it
]
TARGETS = sorted({node["_target_"] for _, node in PARTS if "_target_" in node})


def imported(name):
    """Return what a dotted name names."""
    module, _, last = name.rpartition(".")
    return getattr(import_module(module), last)


def keys(cls):
    return {field.name for field in fields(cls)}


@pytest.mark.parametrize("target", TARGETS)
def test_every_target_exists_and_shows_what_it_is_called_with(target):
    assert callable(imported(target))
    if (
        target.startswith("cnn_anatomy.") and target != architecture_rules.NO_BLOCK
    ):  # which takes anything
        assert target_signature(target) is not None


@pytest.mark.parametrize("file", LAUNCHERS, ids=lambda file: file.stem)
def test_every_launcher_is_a_plugin_of_hydras(file):
    target = yaml.safe_load(file.read_text())["_target_"]
    needed = {"Ray": "ray", "Slurm": "submitit"}.get(target.rpartition(".")[2])
    if needed:
        pytest.importorskip(needed)
    plugins = Plugins.instance().discover(Launcher)
    assert target in {f"{plugin.__module__}.{plugin.__qualname__}" for plugin in plugins}


@pytest.mark.parametrize(
    "name",
    [
        *rules.TARGET_RULES,
        *sorted(architecture_rules.WEIGHTLESS_SKIPS),
        *(
            architecture_rules.NO_BLOCK,
            architecture_rules.OWN_HEADS,
            rules.BATCH_NORM,
            rules.THAWING,
        ),
        *FORWARDED,
    ],
)
def test_every_target_in_a_table_is_one_of_conf(name):
    assert name in TARGETS


@pytest.mark.parametrize("name", [*FORWARDED.values(), *CALLED.values()])
def test_every_other_name_in_a_table_exists(name):
    assert callable(imported(name))
    assert signature(name) is not None


def test_every_model_has_its_rule():
    models = {written("model", option)["_target_"] for option in option_names("model")}
    assert models <= rules.TARGET_RULES.keys()


@pytest.mark.parametrize("part", [*CALLED, *SUPPLIED, *filter(None, NARROWED)])
def test_every_part_that_a_table_names_is_there(part):
    assert part in (*GROUPS, *KEYS)


def test_every_key_in_the_tables_is_one_that_exists():
    trainer = target_signature(CALLED["trainer"])
    assert trainer.parameters.keys() >= keys(TrainerKeys) | SUPPLIED["trainer"]
    optimizers = [written("optimizer", o)["_target_"] for o in option_names("optimizer")]
    for key in keys(OptimizerKeys):
        assert any(key in target_signature(target).parameters for target in optimizers), key
    one_cycle = target_signature("cnn_anatomy.training.schedules.one_cycle")
    assert one_cycle.parameters.keys() >= keys(SchedulerKeys) | SUPPLIED["scheduler"]
    assert keys(RunKeys) == {key for key, value in KEYS.items() if not isinstance(value, dict)}
    assert keys(TrackingKeys) == KEYS["tracking"].keys()
    assert keys(PathKeys) == KEYS["paths"].keys()
    assert keys(TrackingKeys).isdisjoint(keys(RunKeys))


def numbers_in(value):
    """Yield every number of a value that is no mapping."""
    for element in value if isinstance(value, list) else [value]:
        if isinstance(element, list):
            yield from numbers_in(element)
        elif isinstance(element, int | float) and not isinstance(element, bool):
            yield element


def is_bounded(kind):
    """Return whether an annotation bounds a number."""
    parts = [node for node in ast.walk(kind) if isinstance(node, ast.expr)]
    return any(name in ("ge", "gt") for part in parts for name, _ in bounds(part))


def test_every_number_of_conf_has_a_range():
    counted = 0
    for path, node in [*PARTS, *nodes(KEYS, "")]:
        part = path.removeprefix(".")
        target = CALLED.get(part) or node.get("_target_")
        called = target_signature(target) if target else None
        for key, value in node.items():
            if any(True for _ in numbers_in(value)):
                kind = key_kind(part, key, called)
                assert kind is not None, f"{part}.{key}"
                assert is_bounded(kind), f"{part}.{key} may be any number"
                counted += 1
    assert counted > 100


def test_a_familys_further_keys_are_those_of_what_it_calls():
    vgg = target_signature("cnn_anatomy.networks.families.vgg")
    compose = signature("cnn_anatomy.networks.network.compose")
    assert vgg.parameters.keys() >= compose.parameters.keys() - {"stem"}
    one_cycle = target_signature("cnn_anatomy.training.schedules.one_cycle")
    assert "max_lr" in one_cycle.parameters
    assert "total_steps" not in one_cycle.parameters  # the schedule sets it itself


@pytest.mark.parametrize("name", option_names("model"))
def test_every_model_may_set_what_its_file_sets(name):
    content = written("model", name)
    called = target_signature(content["_target_"])
    keys = {key for key in content if not key.startswith("_")}
    assert keys <= set(settable("model", called, keys))
