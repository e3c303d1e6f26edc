"""Finds where classes, functions and aliases are defined by reading source files, not importing."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

from cnn_anatomy.config.module_files import module_at, module_files

Definition = ast.ClassDef | ast.FunctionDef


@cache
def locate(target: str) -> tuple[Path, Definition] | None:
    """Return the file and the definition of a dotted name, None where the source shows neither."""
    module, _, name = target.rpartition(".")
    file = dict(module_files(module)).get(module)
    return find_definition(file, name) if file else None


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
    name = node.module or ""
    if not node.level:
        return dict(module_files(name)).get(name)
    return module_at(file.parents[node.level - 1].joinpath(*filter(None, name.split("."))))
