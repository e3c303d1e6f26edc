"""The layout: few modules at the root, one name for one thing, short files and functions."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

import pytest
import yaml
from hydra.utils import get_object

from cnn_anatomy.core.paths import CONF, PACKAGE

MODULES_AT_ROOT = 3
FILE_LINES = 310
FUNCTION_LINES = 60
FILES = sorted(PACKAGE.parent.rglob("*.py"))
TREES = {str(path.relative_to(PACKAGE.parent)): ast.parse(path.read_text()) for path in FILES}


def test_few_modules_are_at_the_root_of_the_package():
    modules = {path.name for path in PACKAGE.glob("*.py")} - {"__init__.py"}
    assert len(modules) <= MODULES_AT_ROOT, modules


def test_no_two_public_things_share_a_name():
    places = defaultdict(list)
    for module, tree in TREES.items():
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append(module)
    shared = {name: modules for name, modules in places.items() if len(modules) > 1}
    assert {name: m for name, m in shared.items() if name != "main"} == {}


def test_files_are_short():
    lengths = {str(path): len(path.read_text().splitlines()) for path in FILES}
    assert {path: n for path, n in lengths.items() if n > FILE_LINES} == {}


def test_functions_are_short():
    lengths = {
        (module, node.name): (node.end_lineno or node.lineno) - node.lineno + 1
        for module, tree in TREES.items()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    }
    assert {place: n for place, n in lengths.items() if n > FUNCTION_LINES} == {}


def targets(node: Any) -> Iterator[str]:
    """Yield every `_target_` in an option's file."""
    if isinstance(node, dict):
        if "_target_" in node:
            yield node["_target_"]
        for value in node.values():
            yield from targets(value)
    elif isinstance(node, list):
        for value in node:
            yield from targets(value)


# Hydra itself finds the launchers, which are plugins, and reports those that are missing.
OPTIONS = sorted(path for path in CONF.rglob("*.yaml") if "hydra" not in path.parts)


@pytest.mark.parametrize("path", OPTIONS, ids=lambda p: str(p.relative_to(CONF)))
def test_every_target_of_an_option_is_there(path):
    for target in targets(yaml.safe_load(path.read_text())):
        assert callable(get_object(target)), target
