"""Parameters of classes and functions, read from their source: nothing is imported.

The types of the configuration are those that the code declares, PyTorch's and Lightning's included;
importing these would take seconds.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from cnn_anatomy.config.annotations import LISTS, OPTION, WORDS

Definition = ast.ClassDef | ast.FunctionDef
# Names in annotations that are no aliases: `annotations` knows them, or they say nothing to it.
TYPES = {*LISTS, *WORDS, "Annotated", "Any", "Callable", "Literal", "Mapping", "Optional", "Union"}

EMPTY_BASES = {"ABC", "abc.ABC", "object"}  # they add no parameter


@dataclass(frozen=True)
class Signature:
    """What a class or function is called with.

    Args:
        parameters: the annotation of every parameter (None without one), in order, and the file
            that it is written in.
        optional: the names of those that have a default.
        further: whether it takes any further keyword.
        target: the definition that gets these, where the source shows it.
        attributes: the constants that the class sets.
    """

    parameters: Mapping[str, tuple[Path, ast.expr | None]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    further: bool = False
    target: Signature | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)

    def kind(self, name: str) -> ast.expr | None:
        """Return a parameter's annotation, its aliases replaced by what they stand for."""
        file, annotation = self.parameters.get(name, (None, None))
        return _expanded(file, annotation) if file and annotation else None

    def extended(self, further: Signature) -> Signature:
        """Return this signature with the parameters of `further`, which gets further keywords."""
        return replace(
            self,
            parameters={**further.parameters, **self.parameters},
            optional=further.optional | self.optional,
            further=False,
        )


@cache
def signature(target: str) -> Signature | None:
    """Return the signature of a dotted name, None where its source does not show one."""
    place = _locate(target)
    return _signature(*place) if place else None


@cache
def _locate(target: str) -> tuple[Path, Definition] | None:
    """Walk down the packages of `target` to the file that defines its last name."""
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
    return _definition(file, rest[0])


def _module(path: Path) -> Path | None:
    """Return the file of the module or package at `path`."""
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


@cache
def _parsed(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _definition(file: Path, name: str) -> tuple[Path, Definition] | None:
    place = _find(file, name)
    return (place[0], place[1]) if place and isinstance(place[1], Definition) else None


@cache
def _find(file: Path, name: str) -> tuple[Path, Definition | ast.Assign] | None:
    """Return where `name` of the module `file` is defined or assigned, following its imports."""
    for node in _parsed(file).body:
        if isinstance(node, Definition) and node.name == name:
            return file, node
        if isinstance(node, ast.Assign) and [ast.unparse(t) for t in node.targets] == [name]:
            return file, node
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                if alias.name == "*" or (alias.asname or alias.name) == name:
                    source = _imported_file(file, node)
                    wanted = name if alias.name == "*" else alias.name
                    place = _find(source, wanted) if source and source != file else None
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


def _expanded(file: Path, annotation: ast.expr) -> ast.expr:
    """Return an annotation in `file` with what its aliases stand for, classes as `OPTION`."""
    match annotation:
        case ast.Name(id=name) if name not in TYPES:
            place = _find(file, name)
            if place is None:
                return annotation
            if isinstance(place[1], ast.Assign):
                return _expanded(place[0], place[1].value)
            return OPTION if isinstance(place[1], ast.ClassDef) else annotation
        case ast.BinOp(left=left, op=op, right=right):
            return ast.BinOp(_expanded(file, left), op, _expanded(file, right))
        case ast.Tuple(elts=parts):
            return ast.Tuple([_expanded(file, part) for part in parts])
        case ast.Subscript(value=ast.Name(id="Literal" | "Callable" | "Mapping")):
            return annotation
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, *more])):
            return ast.Subscript(annotation.value, ast.Tuple([_expanded(file, inner), *more]))
        case ast.Subscript(value=value, slice=part):
            return ast.Subscript(value, _expanded(file, part))
    return annotation


def _signature(file: Path, node: Definition) -> Signature | None:
    if isinstance(node, ast.FunctionDef):
        return _of_function(file, node)
    inherited = _inherited(file, node.bases)
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
            return replace(_of_function(file, statement, skip=1), attributes=attributes)
    if any("dataclass" in ast.unparse(d) for d in node.decorator_list):
        return replace(_of_fields(file, node), attributes=attributes)
    return replace(inherited, attributes=attributes) if inherited else None


def _inherited(file: Path, bases: list[ast.expr]) -> Signature | None:
    """Return the signature of the first base that shows one, an empty one where all are empty."""
    bases = [base for base in bases if ast.unparse(base) not in EMPTY_BASES]
    for base in bases:
        found = _base_signature(file, base)
        if found:
            return found
    return None if bases else Signature()


def _base_signature(file: Path, base: ast.expr) -> Signature | None:
    """Return the signature of a base class, which is imported by name or with its module."""
    module, _, name = ast.unparse(base).rpartition(".")
    if not module:
        place = _definition(file, name)
        return _signature(*place) if place else None
    aliases = [a for s in _parsed(file).body if isinstance(s, ast.Import) for a in s.names]
    modules = {alias.asname or alias.name: alias.name for alias in aliases}
    return signature(f"{modules[module]}.{name}") if module in modules else None


def _of_fields(file: Path, node: ast.ClassDef) -> Signature:
    """Return the signature of a dataclass."""
    fields = {
        s.target.id: s
        for s in node.body
        if isinstance(s, ast.AnnAssign) and isinstance(s.target, ast.Name)
    }
    return Signature(
        {name: (file, s.annotation) for name, s in fields.items()},
        frozenset(name for name, s in fields.items() if s.value is not None),
    )


def _of_function(file: Path, node: ast.FunctionDef, skip: int = 0) -> Signature:
    """Return the signature of a function, without its first `skip` parameters."""
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    defaults = positional[len(positional) - len(spec.defaults) :]
    keywords = [a for a, d in zip(spec.kwonlyargs, spec.kw_defaults, strict=True) if d is not None]
    parameters = [*positional[skip:], *spec.kwonlyargs]
    return Signature(
        {a.arg: (file, a.annotation) for a in parameters},
        frozenset(a.arg for a in [*defaults, *keywords]),
        spec.kwarg is not None,
        _receiver(file, node),
    )


def _receiver(file: Path, node: ast.FunctionDef) -> Signature | None:
    """Return the signature of what a function calls with its further keywords, less those it sets.

    In `def f(**settings): return g(1, b=2, **settings)` that is g's without its first parameter
    and without b.
    """
    further = node.args.kwarg.arg if node.args.kwarg else None
    for call in ast.walk(node):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if not any(k.arg is None and ast.unparse(k.value) == further for k in call.keywords):
            continue
        place = _definition(file, call.func.id)
        receiver = _signature(*place) if place else None
        if receiver and receiver.target:
            receiver = receiver.extended(receiver.target)
        if receiver:
            given = {*list(receiver.parameters)[: len(call.args)], *(k.arg for k in call.keywords)}
            free = {k: v for k, v in receiver.parameters.items() if k not in given}
            return replace(receiver, parameters=free, optional=receiver.optional & free.keys())
    return None
