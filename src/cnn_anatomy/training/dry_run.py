"""Dry run of optimiser, schedule and trainer: a setting they refuse ends the run before it begins.

Each is made once and thrown away. PyTorch and Lightning check their arguments when called, so
this is where a mistake in these shows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from cnn_anatomy.core.errors import ConfigError, packages

LIBRARIES = {"torch", "lightning", "lightning_utilities"}
# What stands between a call of ours and the library that refuses its arguments.
BETWEEN = {"cnn_anatomy", "hydra", "functools", "contextlib"}
REFUSALS = (TypeError, ValueError, RuntimeError, ZeroDivisionError, ModuleNotFoundError)


def require_trainable(optimizer: Any, scheduler: Any, trainer: dict[str, Any], steps: int) -> None:
    """Make an optimiser, its schedule over `steps` steps and a trainer once.

    Raises:
        ConfigError: if PyTorch or Lightning refuses the settings of one of them.
    """
    parameter = torch.nn.Parameter(torch.zeros(1))
    trial = _dry_run("optimizer", lambda: optimizer([parameter]), _settings(optimizer))
    _dry_run("scheduler", lambda: scheduler(trial, steps=steps), _settings(scheduler))
    bare_trainer(trainer)


def bare_trainer(settings: Mapping[str, Any]) -> pl.Trainer:
    """Return a trainer with these settings that logs and saves nothing.

    Raises:
        ConfigError: if Lightning refuses them.
    """
    return _dry_run(
        "trainer", lambda: pl.Trainer(**settings, logger=False, enable_checkpointing=False)
    )


def _settings(factory: Any) -> Collection[str]:
    """Return the names of what the configuration sets of a partial."""
    return getattr(factory, "keywords", {})


def _dry_run(key: str, make: Callable[[], Any], settings: Collection[str] = ()) -> Any:
    try:
        return make()
    except (*REFUSALS, MisconfigurationException) as error:
        if not _is_refusal(error, settings):
            raise
        raise ConfigError(f"{key} is refused: {' '.join(str(error).split())}") from error


def _is_refusal(error: Exception, settings: Collection[str]) -> bool:
    """Return whether a library raised `error`, or a target that was called with unknown `settings`.

    An error that passed through anybody else's code is a bug in that code.
    """
    names = packages(error)
    if not set(names) <= BETWEEN | LIBRARIES:
        return False
    keyword = re.search(r"unexpected keyword argument '(\w+)'", str(error))
    return names[-1] in LIBRARIES or (keyword is not None and keyword[1] in settings)
