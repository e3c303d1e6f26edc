"""Reads the parameters of classes and functions from their source, without importing them.

So a configuration is checked against the types that the code declares, those of PyTorch and
Lightning included, before these are imported, which takes seconds.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path

from cnn_anatomy.config.annotations import LISTS, OPTION, WORDS
from cnn_anatomy.config.definitions import (
    Definition,
    find_definition,
    find_name,
    locate,
    parsed,
)

# Names in annotations that stand for themselves.
TYPES = {*LISTS, *WORDS, "Annotated", "Any", "Callable", "Literal", "Mapping", "Optional", "Union"}
# Base classes whose constructor takes nothing.
EMPTY_BASES = {"ABC", "abc.ABC", "object"}


@dataclass(frozen=True)
class Signature:
    """What a class or function is called with.

    Args:
        parameters: for every parameter in order, the file it is declared in and its annotation
            (None without one).
        optional: the parameters that have a default.
        further: whether it takes further keywords, `**settings`.
        receiver: what it passes these to, if its source shows that.
        attributes: the constants that the class sets.
    """

    parameters: Mapping[str, tuple[Path, ast.expr | None]] = field(default_factory=dict)
    optional: frozenset[str] = frozenset()
    further: bool = False
    receiver: Signature | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)

    def kind(self, name: str) -> ast.expr | None:
        """Return a parameter's annotation, its aliases replaced by what they stand for."""
        file, annotation = self.parameters.get(name, (None, None))
        return _expanded(file, annotation) if file and annotation else None

    def extended(self, further: Signature) -> Signature:
        """Return this signature with the parameters of `further` in place of `**settings`."""
        return replace(
            self,
            parameters={**further.parameters, **self.parameters},
            optional=further.optional | self.optional,
            further=False,
        )


@cache
def signature(target: str) -> Signature | None:
    """Return the signature of a dotted name, None where the source does not show it."""
    place = locate(target)
    return _signature(*place) if place else None


def _expanded(file: Path, annotation: ast.expr) -> ast.expr:
    """Replace the aliases in an annotation by what they stand for, and classes by `OPTION`."""
    match annotation:
        case ast.Name(id=name) if name not in TYPES:
            place = find_name(file, name)
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
    """Return the signature of the constructor that a class inherits."""
    bases = [base for base in bases if ast.unparse(base) not in EMPTY_BASES]
    if not bases:
        return Signature()
    return next(filter(None, (_base_signature(file, base) for base in bases)), None)


def _base_signature(file: Path, base: ast.expr) -> Signature | None:
    """Return the signature of a base class, written as `Base` or `module.Base`."""
    module, _, name = ast.unparse(base).rpartition(".")
    if not module:
        place = find_definition(file, name)
        return _signature(*place) if place else None
    aliases = [a for s in parsed(file).body if isinstance(s, ast.Import) for a in s.names]
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
    """Return the signature of what a function passes its further keywords to.

    Parameters that the function passes itself are left out: in `def f(**settings): return
    g(1, b=2, **settings)`, the first one of g and b.
    """
    further = node.args.kwarg.arg if node.args.kwarg else None
    for call in ast.walk(node):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Name):
            continue
        if not any(k.arg is None and ast.unparse(k.value) == further for k in call.keywords):
            continue
        place = find_definition(file, call.func.id)
        receiver = _signature(*place) if place else None
        if receiver and receiver.receiver:
            receiver = receiver.extended(receiver.receiver)
        if receiver:
            given = {*list(receiver.parameters)[: len(call.args)], *(k.arg for k in call.keywords)}
            free = {k: v for k, v in receiver.parameters.items() if k not in given}
            return replace(receiver, parameters=free, optional=receiver.optional & free.keys())
    return None
