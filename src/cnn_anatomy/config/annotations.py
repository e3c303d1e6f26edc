"""Checks values against annotations: their kind, and the range that `Annotated` adds.

Annotations are syntax trees (see `signatures`). In them `OPTION` stands for a class, whose value is
a mapping with `_target_`.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

from cnn_anatomy.core.errors import did_you_mean

OPTION = ast.Name(id="<option>")
LISTS = ("Sequence", "list", "tuple", "List", "Tuple")
BOUNDS = {"ge": "at least", "gt": "above", "le": "at most", "lt": "below"}
# Kinds in words, singular and plural.
WORDS = {
    "int": ("a whole number", "whole numbers"),
    "float": ("a number", "numbers"),
    "bool": ("true or false", "true or false"),
    "str": ("a text", "texts"),
    "Path": ("a path", "paths"),
    "None": ("null", "null"),
}


def fault(value: Any, kind: ast.expr | None) -> str | None:
    """Return what is wrong with a value, as in `is out of range: it must be above 0`, or None."""
    choices = literals(kind)
    if choices and value not in choices:
        listed = ", ".join(map(str, choices))
        return f"is none of {listed}{did_you_mean(str(value), map(str, choices))}"
    if not fits(value, kind):
        return f"is not {described(kind)}"
    faults = [_range_fault(value, part) for part in _alternatives(kind) if fits(value, part)]
    return next(filter(None, faults), None) if all(faults) else None


def fits(value: Any, kind: ast.expr | None) -> bool:
    """Return whether a value is of the kind, whatever its range.

    A kind that says nothing about plain values, as a type variable does, fits all of them.
    """
    match kind:
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, *_])):
            return fits(value, inner)
        case ast.Subscript(value=ast.Name(id="Literal")):
            return value in literals(kind)
        case ast.Subscript(value=ast.Name(id=name), slice=part) if name in LISTS:
            return isinstance(value, list) and all(fits(v, _element(part)) for v in value)
        case ast.Subscript(value=ast.Name(id="Mapping")):
            return isinstance(value, Mapping)
        case ast.Subscript(value=ast.Name(id="Callable")) | ast.Name(id="<option>"):
            return isinstance(value, Mapping) and "_target_" in value
        case ast.Constant(value=None):
            return value is None
        case ast.Name(id="int"):
            return isinstance(value, int) and not isinstance(value, bool)
        case ast.Name(id="float"):
            number = isinstance(value, int | float) and not isinstance(value, bool)
            return number and math.isfinite(value)
        case ast.Name(id="bool"):
            return isinstance(value, bool)
        case ast.Name(id="str" | "Path"):
            return isinstance(value, str)
        case ast.Name(id="Tensor"):
            return False
    parts = list(_alternatives(kind))
    return len(parts) < 2 or any(fits(value, part) for part in parts)


def described(kind: ast.expr | None, *, plural: bool = False) -> str:
    """Return a kind in words."""
    match kind:
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, *_])):
            return described(inner, plural=plural)
        case ast.Subscript(value=ast.Name(id="Literal")):
            return ", ".join(map(str, literals(kind)))
        case ast.Subscript(value=ast.Name(id=name), slice=part) if name in LISTS:
            elements = described(_element(part), plural=True)
            return f"lists of {elements}" if plural else f"a list of {elements}"
        case ast.Subscript(value=ast.Name(id="Mapping")):
            return "mappings" if plural else "a mapping"
        case ast.Constant(value=None):
            return WORDS["None"][plural]
        case ast.Name(id=name) if name in WORDS:
            return WORDS[name][plural]
        case ast.Name(id="Tensor"):
            return ""
    parts = list(_alternatives(kind))
    if len(parts) < 2:
        return "options" if plural else "an option of its group"
    words = [described(part, plural=plural) for part in parts]
    return " or ".join(dict.fromkeys(filter(None, words)))


def literals(kind: ast.expr | None) -> tuple[Any, ...]:
    """Return the choices of a `Literal`, none for any other kind."""
    match kind:
        case ast.Subscript(value=ast.Name(id="Literal"), slice=part):
            values = ast.literal_eval(part)
            return values if isinstance(values, tuple) else (values,)
    return ()


def bounds(kind: ast.expr | None) -> Iterator[tuple[str, Any]]:
    """Yield every constraint that a kind adds to its type, as in ("ge", 0).

    Raises:
        ValueError: if `Annotated` holds a constraint that is not supported.
    """
    match kind:
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, *more])):
            yield from bounds(inner)
            for marker in more:
                yield from _constraints(marker)


def _constraints(marker: ast.expr) -> Iterator[tuple[str, Any]]:
    match marker:
        case ast.Call(func=ast.Name(id="Ge" | "Gt" | "Le" | "Lt" as name), args=[number]):
            yield name.lower(), ast.literal_eval(number)
        case ast.Call(func=ast.Name(id="Interval"), args=[], keywords=limits):
            for limit in limits:
                yield str(limit.arg), ast.literal_eval(limit.value)
        case ast.Call(func=ast.Name(id="MinLen"), args=[length]):
            yield "length", ast.literal_eval(length)
        case ast.Call(func=ast.Name(id="Pattern"), args=[expression, name]):
            yield "pattern", (ast.literal_eval(expression), ast.literal_eval(name))
        case _:
            raise ValueError(f"{ast.unparse(marker)} is no supported constraint")


def _range_fault(value: Any, kind: ast.expr) -> str | None:
    """Return what is wrong with a value of the right kind."""
    limits = dict(bounds(kind))
    if isinstance(value, list):
        if len(value) < limits.get("length", 0):
            state = "too short" if value else "empty"
            return f"is {state}: it needs {limits['length']} or more elements"
        for element in value:
            if wrong := fault(element, _list_element(kind)):
                return f"holds {element}, which {wrong}"
    elif isinstance(value, str) and "pattern" in limits:
        expression, name = limits["pattern"]
        return None if re.fullmatch(expression, value) else f"is not {name}"
    elif isinstance(value, int | float):
        inside = {
            "ge": lambda bound: value >= bound,
            "gt": lambda bound: value > bound,
            "le": lambda bound: value <= bound,
            "lt": lambda bound: value < bound,
        }
        if not all(inside[name](bound) for name, bound in limits.items()):
            words = " and ".join(f"{BOUNDS[name]} {b:.10g}" for name, b in limits.items())
            return f"is out of range: it must be {words}"
    return None


def _alternatives(kind: ast.expr | None) -> Iterator[ast.expr]:
    """Yield the members of a union, or the kind itself."""
    match kind:
        case None:
            return
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            yield from _alternatives(left)
            yield from _alternatives(right)
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=parts)):
            for part in parts:
                yield from _alternatives(part)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=part):
            yield from _alternatives(part)
            yield ast.Constant(value=None)
        case _:
            yield kind


def _list_element(kind: ast.expr) -> ast.expr | None:
    match kind:
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, *_])):
            return _list_element(inner)
        case ast.Subscript(value=ast.Name(id=name), slice=part) if name in LISTS:
            return _element(part)
    return None


def _element(part: ast.expr) -> ast.expr:
    """Return the kind of a list's elements: of a tuple's, the first stands for all."""
    return part.elts[0] if isinstance(part, ast.Tuple) else part
