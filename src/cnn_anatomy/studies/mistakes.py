"""One sentence for each mistake in a file: its key, its value and what it must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, get_args

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.studies.record import Record

Location = Sequence[str | int]

PREDICATES = {
    "string_type": "must be text",
    "string_unicode": "must be valid Unicode",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "bool_type": "must be true or false",
    "finite_number": "must be a finite number",
    "greater_than_equal": "is out of range: it must be at least {ge:g}",
    "tuple_type": "must be a list",
    "dict_type": "must map keys to values",
    "model_type": "must map keys to values",
}
LONGEST_VALUE_CHARACTERS = 60


def mistakes(error: ValidationError, kind: type[Record], content: Mapping[Any, Any]) -> list[str]:
    """Return a sentence for each mistake that pydantic found in `content`.

    A bug in one of our validators is raised again: only a ConfigError is the file's mistake.
    """
    details = error.errors(include_url=False)
    misspelt = set(_nearest_keys(details, kind))
    return [
        _sentence(detail, kind, content)
        for detail in details
        if not (detail["type"] == "missing" and detail["loc"] in misspelt)
        and not (detail["type"] == "too_short" and detail["input"])  # its values are refused
    ]


def _nearest_keys(details: Sequence[ErrorDetails], kind: type[Record]) -> Iterator[Location]:
    """Yield the key that each unknown key is probably meant for."""
    for detail in details:
        if detail["type"] == "extra_forbidden":
            *parents, key = detail["loc"]
            for match in get_close_matches(str(key), _keys(kind, parents), 1):
                yield (*parents, match)


def _sentence(detail: ErrorDetails, kind: type[Record], content: Mapping[Any, Any]) -> str:
    location, context = detail["loc"], detail.get("ctx", {})
    if location[-1:] == ("[key]",):  # pydantic's mark of a wrong key, not a wrong value
        parent = _dotted(location[:-2], content)
        return f"{parent} has the key {_shown(detail['input'])}, which must be text"
    key = _dotted(location, content)
    match detail["type"]:
        case "missing":
            return f"key {key} is missing"
        case "extra_forbidden" | "invalid_key":
            choices = _keys(kind, location[:-1])
            hint = did_you_mean(str(location[-1]), choices)
            return f"key {key} is none of {', '.join(choices)}{hint}"
        case "too_short" | "string_too_short":
            return f"{key} is empty: it needs one value or more"
        case "value_error" | "assertion_error":
            if not isinstance(context["error"], ConfigError):
                raise context["error"]
            predicate = str(context["error"])
        case mistake if mistake in PREDICATES:
            predicate = PREDICATES[mistake].format(**context)
        case _:
            predicate = f"isn't valid: {detail['msg']}"
    return f"{key}={_shown(detail['input'])} {predicate}" if key else predicate


def _keys(kind: type[Record], location: Location) -> list[str]:
    """Return the keys that the record at `location` takes."""
    for part in location:
        if part in kind.model_fields:  # else the name of a variant or an index
            kind = next(_records(kind.model_fields[str(part)].annotation), kind)
    return sorted(kind.model_fields)


def _records(annotation: Any) -> Iterator[type[Record]]:
    if isinstance(annotation, type) and issubclass(annotation, Record):
        yield annotation
    for inner in get_args(annotation):
        yield from _records(inner)


def _dotted(location: Location, content: Any) -> str:
    """Return a key as in `claims[a1].metric`: an item of a list goes by its id or its index."""
    key = ""
    for part in location:
        if isinstance(content, list):
            content = content[int(part)]
            name = content.get("id") if isinstance(content, dict) else None
            key += f"[{name or part}]"
        else:
            content = content.get(part) if isinstance(content, dict) else None
            key += f".{part}" if key else str(part)
    return key


def _shown(value: Any) -> str:
    text = "null" if value is None else repr(value)
    fits = len(text) <= LONGEST_VALUE_CHARACTERS
    return text if fits else f"{text[:LONGEST_VALUE_CHARACTERS]}…"
