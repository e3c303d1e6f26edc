"""Checks every node of a composed configuration against the signature of what it is passed to."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from cnn_anatomy.config.annotations import described, fault, fits
from cnn_anatomy.config.code_names import name_mistakes
from cnn_anatomy.config.targets import (
    CALLED,
    REFUSED,
    key_kind,
    required,
    settable,
    target_signature,
)
from cnn_anatomy.core.errors import did_you_mean
from cnn_anatomy.core.sentences import sentence

LISTED_IN_FULL = 12  # an error lists up to so many keys


def node_mistakes(
    parent: DictConfig, key: str, path: str, kind: ast.expr | None, file: Any
) -> Iterator[str]:
    """Yield a sentence for every mistake in `parent[key]` and below it.

    Args:
        parent: holds the node.
        key: of the node in it.
        path: the node's dotted name.
        kind: the annotation of the parameter that it is passed to, if there is one.
        file: what the option's file has at this place.
    """
    if OmegaConf.is_missing(parent, key):
        yield _missing(path)
        return
    try:
        value = parent[key]
    except OmegaConfBaseException as error:
        yield f"{path}: {sentence(error)}"
        return
    if OmegaConf.is_interpolation(parent, key):  # checked at the node that it refers to
        return
    if not isinstance(value, DictConfig):
        yield from _value_mistakes(path, value, kind)
    elif not fits(_plain(value, resolve=False), kind):
        yield f"{path}={_plain(value, resolve=False)} is not {described(kind)}"
    elif path != "transfer.source":  # a configuration of its own, see `source_network`
        yield from _mapping_mistakes(path, value, file)


def _value_mistakes(path: str, value: Any, kind: ast.expr | None) -> Iterator[str]:
    plain = _plain(value, resolve=True)
    wrong = fault(plain, kind)
    if wrong:
        yield f"{path}={_shown(plain)} {wrong}"
    elif isinstance(value, ListConfig):
        for index, element in enumerate(value):
            if isinstance(element, DictConfig) and "_target_" in element:
                yield from _element_mistakes(f"{path}[{index}]", element)


def _element_mistakes(path: str, element: DictConfig) -> Iterator[str]:
    """Check a list's element, in which no required parameter may be missing, as none is added."""
    called = target_signature(element._target_)
    for name in called.parameters if called else ():
        if called and name not in called.optional and name not in element:
            yield _missing(f"{path}.{name}")
    yield from _mapping_mistakes(path, element, element)


def _mapping_mistakes(path: str, node: DictConfig, file: Any) -> Iterator[str]:
    yield from name_mistakes(path, node)
    target = CALLED.get(path) or node.get("_target_")
    called = target_signature(str(target)) if target else None
    written = [str(k) for k in file or {} if not str(k).startswith("_")]
    offered = settable(path, called, written) if called else None
    for key in required(path, called, written) if called else ():
        if key not in node:
            yield _missing(f"{path}.{key}")
    for key in map(str, node):
        where = f"{path}.{key}"
        if key.startswith("_"):
            continue
        if reason := REFUSED.get(path, {}).get(key):
            yield f"{where} has no place here, as {reason}"
        elif offered is not None and key not in offered:
            hint = did_you_mean(key, offered)
            yield f"{where} is no key: {path} takes {_listed(offered, written)}{hint}"
        else:
            below = file.get(key) if isinstance(file, dict | DictConfig) else None
            yield from node_mistakes(node, key, where, key_kind(path, key, called), below)


def _missing(path: str) -> str:
    return f"{path} is missing: give it a value, {path}=…"


def _plain(value: Any, *, resolve: bool) -> Any:
    return OmegaConf.to_container(value, resolve=resolve) if OmegaConf.is_config(value) else value


def _shown(value: Any) -> str:
    """Return a value as an override writes it."""
    words = {None: "null", True: "true", False: "false"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def _listed(offered: Sequence[str], written: Sequence[str]) -> str:
    """Return the keys for an error: all of them, or those in the option's file if they are many."""
    if len(offered) <= LISTED_IN_FULL:
        return ", ".join(sorted(offered)) or "no key"
    return ", ".join([*(key for key in offered if key in written), "…"])
