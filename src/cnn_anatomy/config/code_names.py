"""Checks, without importing anything, that the classes and functions of a configuration exist."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from cnn_anatomy.config.definitions import Definition, parsed
from cnn_anatomy.config.foreign_code import OURS, is_own
from cnn_anatomy.config.module_files import module_files
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
        mistake = _mistake(f"{path}.{key}", target)
        if mistake:
            yield mistake


@cache
def _mistake(key: str, target: str) -> str:
    """Return what is wrong with a dotted name, empty if nothing is or its source is not read."""
    try:
        require_importable(key, target)
    except ConfigError as error:
        return str(error)
    found = list(module_files(target))
    if not found:  # a module that is built in or compiled, or a folder without modules
        return ""
    module, file = found[-1]
    names = _names(file) if target.partition(".")[0] in OURS or is_own(file) else None
    name = target.removeprefix(f"{module}.").partition(".")[0]
    if names is None or name in names or _is_compiled(file, name):
        return ""
    return no_such_name(key, target, module, [*_defined(file), *_submodules(file)])


def _is_compiled(file: Path, name: str) -> bool:
    """Return whether `name` is a module of the package of `file`, but none of Python source."""
    return file.stem == "__init__" and any(file.parent.glob(f"{name}.*"))


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
