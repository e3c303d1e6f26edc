"""Reading the files of experiments/: what a key must hold, one sentence where it does not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from cnn_anatomy.core.errors import ConfigError


@contextmanager
def keys(path: Path, known: set[str]) -> Iterator[dict[str, Any]]:
    """Yield the keys of a YAML file; what goes wrong with them is told with the file's name.

    Raises:
        ConfigError: if it is no YAML, has a key that is none of `known`, or is malformed.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path.name} is no YAML: {' '.join(str(error).split())}") from error
    if not isinstance(raw, dict):
        raise ConfigError(f"{path.name} holds no keys: it needs {', '.join(sorted(known))}")
    for key in raw.keys() - known:
        raise ConfigError(f"{path.name}: key {key} is none of {', '.join(sorted(known))}")
    try:
        yield raw
    except KeyError as error:
        raise ConfigError(f"{path.name} lacks the key {error.args[0]}") from error
    except ConfigError as error:
        raise ConfigError(f"{path.name}: {error}") from None  # whose cause would be told instead
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"{path.name} is malformed: {error}") from error


def mapped(key: str, value: Any) -> dict[Any, Any]:
    """Return `value`, which must map keys to values."""
    if not isinstance(value, dict):
        raise ConfigError(f"{key} holds {value!r}, not keys with values")
    return value


def listed(key: str, value: Any) -> list[Any]:
    """Return `value`, which must be a list of one or more."""
    if not isinstance(value, list):
        raise ConfigError(f"{key} holds {value!r}, not a list")
    if not value:
        raise ConfigError(f"{key} is empty: it needs one value or more")
    return value


def texts(key: str, value: Any) -> tuple[str, ...]:
    """Return a list of one or more names."""
    odd = next((v for v in listed(key, value) if not isinstance(v, str)), None)
    if odd is not None:
        raise ConfigError(f"{key} holds {odd!r}, not a name")
    return tuple(value)


def overrides(key: str, value: Any) -> tuple[str, ...]:
    """Return a list of overrides, which may be empty."""
    for word in texts(key, value) if value else []:
        if "=" not in word and not word.startswith("~"):
            raise ConfigError(f"{key} holds {word}, no override of the form key=value")
    return tuple(value or ())


def named(key: str, value: Any) -> Mapping[str, tuple[str, ...]]:
    """Return names with a list of overrides each, which may be empty."""
    return {str(k): overrides(f"{key}.{k}", v) for k, v in mapped(key, value).items()}


def whole(key: str, value: Any) -> int:
    """Return a whole number from 1 up."""
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigError(f"{key}={value} is no whole number from 1 up")
    return value
