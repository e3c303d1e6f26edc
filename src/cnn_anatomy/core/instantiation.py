"""Hydra's `instantiate`, which raises what a target raised and not an error of Hydra's own."""

from __future__ import annotations

from typing import Any

import hydra.utils
from hydra.errors import InstantiationException

from cnn_anatomy.core.errors import ConfigError, packages


def instantiate(config: Any, *args: Any, **kwargs: Any) -> Any:
    """Return what Hydra makes of `config`, called like `hydra.utils.instantiate`.

    Raises:
        ConfigError: if Hydra cannot find or call the target that `config` names.
        Exception: whatever the target raised, with the traceback to its line.
    """
    try:
        return hydra.utils.instantiate(config, *args, **kwargs)
    except InstantiationException as error:
        original = original_error(error)
    raise original


def original_error(error: InstantiationException) -> Exception:
    """Return the error that Hydra wrapped, or a ConfigError if Hydra itself refuses the target."""
    original: BaseException = error
    while isinstance(original, InstantiationException) and original.__cause__ is not None:
        original = original.__cause__
    if isinstance(original, InstantiationException) or _is_absent(original):
        return ConfigError(" ".join(str(original).split()))
    return original if isinstance(original, Exception) else error


def _is_absent(error: BaseException) -> bool:
    """Return whether Hydra found no such target; False if importing its module failed."""
    root = error
    while isinstance(root, ImportError) and root.__cause__ is not None:
        root = root.__cause__
    return isinstance(error, ImportError) and packages(root)[-1:] == ["hydra"]
