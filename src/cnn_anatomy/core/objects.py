"""Classes and functions that a user's configuration names, as in mypkg.Net."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

from cnn_anatomy.core.errors import ConfigError, did_you_mean, packages


def require_importable(key: str, target: str) -> None:
    """Check, without importing it, that Python finds the package or module of a dotted name.

    Raises:
        ConfigError: naming `key`, if it doesn't, or the name has no dot.
    """
    package, dot, _ = target.partition(".")
    if not dot or not all(part.isidentifier() for part in target.split(".")):
        raise ConfigError(
            f"{key}={target} names no class or function: write its module and its name, mypkg.Name"
        )
    if find_spec(package) is None:
        raise ConfigError(
            f"{key}={target} is not found, as no folder on Python's path has {package}: give the "
            "command in the folder that has it, or set PYTHONPATH"
        )


def imported(key: str, target: str) -> Callable[..., Any]:
    """Return the class or function of a dotted name.

    Raises:
        ConfigError: naming `key`, if there is none of this name.
        Exception: what importing its module raised.
    """
    require_importable(key, target)
    module_name, _, name = target.rpartition(".")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if packages(error)[-1:] != ["cnn_anatomy"]:  # what it imports is not there
            raise
        raise ConfigError(
            f"{key}={target} is not found: there is no module {module_name}"
        ) from None
    found = getattr(module, name, None)
    if not callable(found):
        names = [other for other in vars(module) if callable(getattr(module, other))]
        raise ConfigError(no_such_name(key, target, module_name, names))
    return found


def no_such_name(key: str, target: str, module: str, names: Iterable[str]) -> str:
    """Return the sentence that `target`, which `key` names, is none of the `names` in `module`."""
    name, dot, _ = target.removeprefix(f"{module}.").partition(".")
    kind = "module" if dot else "class or function"
    hint = did_you_mean(name, names)
    return f"{key}={target} is not found: {module} has no {kind} {name}{hint}"
