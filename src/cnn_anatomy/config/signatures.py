"""Reads the parameters of classes and functions from their source, without importing them.

So a configuration is checked against the types that the code declares, those of PyTorch and
Lightning included, before these are imported, which takes seconds.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
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
UNKNOWN = object()  # a default that only running the code would tell
# Base classes whose constructor takes nothing.
EMPTY_BASES = {"ABC", "abc.ABC", "object"}


@dataclass(frozen=True)
class Signature:
    """What a class or function is called with.

    Args:
        parameters: for every parameter in order, the file it is declared in and its annotation
            (None without one).
        defaults: the value of every parameter that has one, `UNKNOWN` where it is no constant.
        further: whether it takes further keywords, `**settings`.
        receiver: what it passes these to, if its source shows that.
        attributes: the constants that the class sets.
    """

    parameters: Mapping[str, tuple[Path, ast.expr | None]] = field(default_factory=dict)
    defaults: Mapping[str, object] = field(default_factory=dict)
    further: bool = False
    receiver: Signature | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)

    @property
    def optional(self) -> set[str]:
        """Return the parameters that have a default."""
        return set(self.defaults)

    def kind(self, name: str) -> ast.expr | None:
        """Return a parameter's annotation, its aliases replaced by what they stand for."""
        file, annotation = self.parameters.get(name, (None, None))
        return _expanded(file, annotation) if file and annotation else None

    def extended(self, further: Signature) -> Signature:
        """Return this signature with the parameters of `further` in place of `**settings`."""
        return replace(
            self,
            parameters={**further.parameters, **self.parameters},
            defaults={**further.defaults, **self.defaults},
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
    values = dict(_constants(node))
    attributes = {**(inherited.attributes if inherited else {}), **values}
    for statement in node.body:
        if isinstance(statement, ast.FunctionDef) and statement.name == "__init__":
            return replace(_of_function(file, statement, skip=1), attributes=attributes)
    if any("dataclass" in ast.unparse(d) for d in node.decorator_list):
        return replace(_of_fields(file, node, inherited), attributes=attributes)
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


def _constants(node: ast.ClassDef) -> Iterator[tuple[str, object]]:
    """Yield the name and the value of every constant that a class's body sets."""
    for statement in node.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            if isinstance(statement.value, ast.Constant):
                for target in targets:
                    yield ast.unparse(target), statement.value.value


def _of_fields(file: Path, node: ast.ClassDef, inherited: Signature | None) -> Signature:
    """Return the signature of a dataclass, whose fields come after those it inherits."""
    parameters = dict(inherited.parameters) if inherited else {}
    defaults = dict(inherited.defaults) if inherited else {}
    for statement in node.body:
        if not isinstance(statement, ast.AnnAssign) or _is_no_parameter(statement):
            continue
        name = ast.unparse(statement.target)
        parameters[name] = (file, statement.annotation)
        defaults.pop(name, None)
        keywords = _field_keywords(statement.value)
        if keywords is None:
            defaults[name] = _constant(statement.value)
        elif keywords.keys() & {"default", "default_factory"}:
            defaults[name] = _constant(keywords.get("default"))
    return Signature(parameters, defaults)


def _field_keywords(value: ast.expr | None) -> dict[str | None, ast.expr] | None:
    """Return the keywords of a call of `field`, none for no value, and None for another value."""
    match value:
        case None:
            return {}
        case ast.Call(func=ast.Name(id="field") | ast.Attribute(attr="field"), keywords=keywords):
            return {keyword.arg: keyword.value for keyword in keywords}
    return None


def _is_no_parameter(statement: ast.AnnAssign) -> bool:
    """Return whether a declaration in a dataclass is a class variable, a marker, or computed."""
    kind = ast.unparse(statement.annotation)
    initialised = (_field_keywords(statement.value) or {}).get("init")
    is_computed = isinstance(initialised, ast.Constant) and initialised.value is False
    return is_computed or bool(re.match(r"(\w+\.)?(ClassVar|KW_ONLY)\b", kind))


def _constant(value: ast.expr | None) -> object:
    """Return the value of an expression of constants, else `UNKNOWN`."""
    try:
        return UNKNOWN if value is None else ast.literal_eval(value)
    except ValueError:
        return UNKNOWN


def _of_function(file: Path, node: ast.FunctionDef, skip: int = 0) -> Signature:
    """Return the signature of a function, without its first `skip` parameters."""
    spec = node.args
    positional = [*spec.posonlyargs, *spec.args]
    optional = positional[len(positional) - len(spec.defaults) :]
    values = {
        **dict(zip([a.arg for a in optional], spec.defaults, strict=True)),
        **dict(zip([a.arg for a in spec.kwonlyargs], spec.kw_defaults, strict=True)),
    }
    parameters = [*positional[skip:], *spec.kwonlyargs]
    return Signature(
        {a.arg: (file, a.annotation) for a in parameters},
        {name: _constant(value) for name, value in values.items() if value is not None},
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
            defaults = {k: v for k, v in receiver.defaults.items() if k in free}
            return replace(receiver, parameters=free, defaults=defaults)
    return None
