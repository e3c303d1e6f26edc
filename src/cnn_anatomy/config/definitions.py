"""Finds where classes, functions and aliases are defined by reading source files, not importing."""

from __future__ import annotations

import ast
from functools import cache
from importlib.util import find_spec
from pathlib import Path

Definition = ast.ClassDef | ast.FunctionDef


@cache
def locate(target: str) -> tuple[Path, Definition] | None:
    """Return the file and the definition of a dotted name, None where the source shows neither."""
    first, *rest = target.split(".")
    try:
        spec = find_spec(first)
    except (ImportError, ValueError):
        return None
    if spec is None or not rest:
        return None
    folders = [Path(folder) for folder in spec.submodule_search_locations or ()]
    file = Path(spec.origin) if spec.origin else None  # a package may have no __init__.py
    while len(rest) > 1:
        places = [folder / rest[0] for folder in folders]
        file = next(filter(None, map(_module, places)), None)
        folders = [place for place in places if place.is_dir()]
        if file is None and not folders:
            return None
        rest.pop(0)
    return find_definition(file, rest[0]) if file and file.suffix == ".py" else None


def _module(path: Path) -> Path | None:
    """Return the file of the module or package at `path`."""
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


@cache
def parsed(file: Path) -> ast.Module:
    """Return the syntax of a source file."""
    return ast.parse(file.read_text(encoding="utf-8"))


def find_definition(file: Path, name: str) -> tuple[Path, Definition] | None:
    """Return where a class or function that module `file` names is defined, and its definition."""
    place = find_name(file, name)
    return (place[0], place[1]) if place and isinstance(place[1], Definition) else None


@cache
def find_name(file: Path, name: str) -> tuple[Path, Definition | ast.Assign] | None:
    """Return where what module `file` calls `name` is defined or assigned, following imports."""
    for node in parsed(file).body:
        if isinstance(node, Definition) and node.name == name:
            return file, node
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == [name]:
            return file, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*" or (alias.asname or alias.name) == name:
                    source = _imported_file(file, node)
                    wanted = name if alias.name == "*" else alias.name
                    place = find_name(source, wanted) if source and source != file else None
                    if place:
                        return place
    return None


def _imported_file(file: Path, node: ast.ImportFrom) -> Path | None:
    """Return the file that an import statement in `file` reads."""
    parts = (node.module or "").split(".")
    if node.level:
        folder = file.parents[node.level - 1]
    else:
        spec = find_spec(parts.pop(0))
        if spec is None or not spec.submodule_search_locations:
            return None
        folder = Path(spec.submodule_search_locations[0])
    return _module(folder.joinpath(*filter(None, parts)))
