"""Kinds of value: whether one fits an annotation, and what the annotation is called."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping
from typing import Any

WORDS = {
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "str": "a text",
    "Path": "a path",
    "None": "null",
}
LISTS = ("Sequence", "list", "tuple", "List", "Tuple")


def fits(value: Any, kind: ast.expr | None) -> bool:
    """Return whether a value of the configuration is what the annotation asks for.

    An annotation that says nothing about plain values (a tensor, a type variable) lets all pass
    that are not plain.
    """
    match kind:
        case None:
            return True
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return fits(value, left) or fits(value, right)
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=parts)):
            return any(fits(value, part) for part in parts)
        case ast.Subscript(value=ast.Name(id="Optional"), slice=part):
            return value is None or fits(value, part)
        case ast.Subscript(value=ast.Name(id=name), slice=part) if name in LISTS:
            first = part.elts[0] if isinstance(part, ast.Tuple) else part
            return isinstance(value, list) and all(fits(v, first) for v in value)
        case ast.Constant(value=None):
            return value is None
        case ast.Name(id="int"):
            return isinstance(value, int) and not isinstance(value, bool)
        case ast.Name(id="float"):
            return (
                isinstance(value, int | float)
                and not isinstance(value, bool)
                and math.isfinite(value)
            )
        case ast.Name(id="bool"):
            return isinstance(value, bool)
        case ast.Name(id="str" | "Path"):
            return isinstance(value, str)
        case ast.Name(id="Tensor"):
            return False
        case ast.Name(id="Factory") | ast.Subscript(value=ast.Name(id="Callable" | "Mapping")):
            return isinstance(value, Mapping)
    return True


def called(kind: ast.expr | None) -> str:
    """Return an annotation in words."""
    match kind:
        case ast.BinOp(left=left, op=ast.BitOr(), right=right):
            return _or(called(left), called(right))
        case ast.Subscript(value=ast.Name(id="Union"), slice=ast.Tuple(elts=parts)):
            return _or(*(called(part) for part in parts))
        case ast.Subscript(value=ast.Name(id="Optional"), slice=part):
            return _or(called(part), "null")
        case ast.Subscript(value=ast.Name(id=name), slice=part) if name in LISTS:
            first = part.elts[0] if isinstance(part, ast.Tuple) else part
            return "a list of " + called(first).removeprefix("a ") + "s"
        case ast.Constant(value=None):
            return "null"
        case ast.Name(id=name) if name in WORDS:
            return WORDS[name]
        case ast.Name(id="Tensor"):
            return ""
    return "an option of its group"


def _or(*words: str) -> str:
    return " or ".join(dict.fromkeys(filter(None, words)))
