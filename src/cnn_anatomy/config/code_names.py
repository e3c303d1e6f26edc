"""Checks, without importing anything, that the classes and functions of a configuration exist."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cnn_anatomy.config.definitions import Definition, parsed
from cnn_anatomy.config.foreign_code import OURS, is_own, module_files
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.objects import no_such_name, require_importable


def name_mistakes(path: str, node: Mapping[Any, Any]) -> Iterator[str]:
    """Yield a sentence for each class or function that part `path` names and no module has.

    That is `_target_`, and `target` of a part of ours. Modules of installed packages are not read,
    as they may make names while they are imported.
    """
    called = node.get("_target_")
    if not isinstance(called, str):
        return
    named = {"_target_": called}
    if called.partition(".")[0] in OURS and isinstance(node.get("target"), str):
        named["target"] = str(node.get("target"))
    for key, target in named.items():
        if not _exists(target):
            yield _sentence(f"{path}.{key}", target)


@cache
def _exists(target: str) -> bool:
    """Return whether the source shows a dotted name, or is such that it may hold it."""
    try:
        require_importable("", target)
    except ConfigError:
        return False
    module, file = _deepest_module(target)
    names = _names(file) if file else None
    return names is None or target.removeprefix(f"{module}.").partition(".")[0] in names


def _sentence(key: str, target: str) -> str:
    """Return what is wrong with a name that does not exist."""
    try:
        require_importable(key, target)
    except ConfigError as error:
        return str(error)
    module, file = _deepest_module(target)
    assert file is not None
    return no_such_name(key, target, module, [*_defined(file), *_submodules(file)])


def _deepest_module(target: str) -> tuple[str, Path | None]:
    """Return the last module in a dotted name with its file, None if that is an installed one's."""
    *_, (module, file) = module_files(target) or [("", None)]
    ours = target.partition(".")[0] in OURS
    return module, file if file is not None and (ours or is_own(file)) else None


@cache
def _names(file: Path) -> set[str] | None:
    """Return every name that a module may have; None if its source does not show them all."""
    names: set[str] = set()
    for node in ast.walk(parsed(file)):
        match node:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                names.add(name)
            case ast.AsyncFunctionDef(name=name) | ast.Name(id=name, ctx=ast.Store()):
                names.add(name)
            case ast.alias(name="*"):
                return None
            case ast.alias(name=name, asname=asname):
                names.add(asname or name.partition(".")[0])
            case ast.Name(id="globals" | "vars" | "setattr" | "exec"):
                return None
    return None if "__getattr__" in names else names


def _defined(file: Path) -> list[str]:
    """Return the classes, functions and imported names at the top level of a module."""
    names = []
    for node in parsed(file).body:
        if isinstance(node, Definition):
            names.append(node.name)
        elif isinstance(node, ast.ImportFrom):
            names += [alias.asname or alias.name for alias in node.names]
    return names


def _submodules(file: Path) -> list[str]:
    """Return the names of the modules of a package whose `__init__.py` is `file`."""
    if file.stem != "__init__":
        return []
    return [f.stem for f in file.parent.glob("*.py") if f != file]
