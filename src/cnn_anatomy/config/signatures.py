"""Parameters of classes and functions, read from their source: nothing is imported.

The configuration's types are those that the code declares, PyTorch's and Lightning's included,
and stay so when somebody adds a class; importing those would take seconds.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path


@dataclass(frozen=True)
class Signature:
    """What a class or function is called with.

    Args:
        kinds: the annotation of each parameter (None without one), in order.
        optional: the names of those that have a default.
        rest: whether it takes any further keyword.
        attributes: the constants that the class sets.
    """

    kinds: Mapping[str, ast.expr | None] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    rest: bool = False
    attributes: dict[str, object] = field(default_factory=dict)


@cache
def signature(target: str) -> Signature | None:
    """Return that of a dotted name, None where its source does not tell."""
    found = _descend(target)
    return _signature(*found) if found else None


Definition = ast.ClassDef | ast.FunctionDef


def _descend(target: str) -> tuple[Path, Definition] | None:
    """Walk the packages of `target` down to the file that defines its last name."""
    first, *rest = target.split(".")
    try:
        spec = find_spec(first)
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None or not rest:
        return None
    file = Path(spec.origin)
    while len(rest) > 1:
        below = _module(file.parent / rest.pop(0)) if file.name == "__init__.py" else None
        if below is None:
            return None
        file = below
    return _find(file, rest[0])


def _module(path: Path) -> Path | None:
    """Return the file of the module or package at `path`."""
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


@cache
def _find(file: Path, name: str) -> tuple[Path, Definition] | None:
    """Return where `name` of the module `file` is defined, following its imports."""
    for node in _parsed(file).body:
        if isinstance(node, Definition) and node.name == name:
            return file, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*" or (alias.asname or alias.name) == name:
                    source = _source(file, node)
                    wanted = name if alias.name == "*" else alias.name
                    found = _find(source, wanted) if source and source != file else None
                    if found:
                        return found
    return None


def _source(file: Path, node: ast.ImportFrom) -> Path | None:
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


def _signature(file: Path, node: Definition) -> Signature | None:
    if isinstance(node, ast.FunctionDef):
        return _called(node, skip=0)
    inherited = None if node.bases else Signature()
    for base in node.bases:
        found = _find(file, base.id) if isinstance(base, ast.Name) else None
        known = _signature(*found) if found else None
        if known:
            inherited = known
            break
    values = {
        target.id: statement.value.value
        for statement in node.body
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
        for target in statement.targets
        if isinstance(target, ast.Name)
    }
    attributes = {**(inherited.attributes if inherited else {}), **values}
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            own = _called(statement, skip=1)
            return Signature(own.kinds, own.optional, own.rest, attributes)
    if any("dataclass" in ast.unparse(d) for d in node.decorator_list):
        fields = [s for s in node.body if isinstance(s, ast.AnnAssign)]
        kinds = {s.target.id: s.annotation for s in fields if isinstance(s.target, ast.Name)}
        return Signature(kinds, attributes=attributes)
    if inherited is None:
        return None
    return Signature(inherited.kinds, inherited.optional, inherited.rest, attributes)


def _called(node: ast.FunctionDef, skip: int) -> Signature:
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    defaults = positional[len(positional) - len(spec.defaults) :]
    keywords = [a for a, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None]
    every = [*positional[skip:], *spec.kwonlyargs]
    return Signature(
        {a.arg: a.annotation for a in every},
        frozenset(a.arg for a in [*defaults, *keywords]),
        spec.kwarg is not None,
    )
