"""A trial of what training makes late, so that its errors come before the run is recorded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import lightning.pytorch as pl
import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException

from cnn_anatomy.core.errors import ConfigError

REFUSALS = (TypeError, ValueError, RuntimeError, ZeroDivisionError, ModuleNotFoundError)


def require_trainable(optimizer: Any, scheduler: Any, trainer: dict[str, Any], steps: int) -> None:
    """Make an optimiser, its schedule over `steps` steps and a trainer once.

    Raises:
        ConfigError: if one of them refuses its settings.
    """
    parameter = torch.nn.Parameter(torch.zeros(1))
    made = _made("optimizer", lambda: optimizer([parameter]))
    _made("scheduler", lambda: scheduler(made, steps=steps))
    made_trainer(trainer)


def made_trainer(trainer: Mapping[str, Any]) -> pl.Trainer:
    """Return a trainer that logs and saves nothing.

    Raises:
        ConfigError: if Lightning refuses its settings.
    """
    return _made("trainer", lambda: pl.Trainer(**trainer, logger=False, enable_checkpointing=False))


def _made(key: str, make: Any) -> Any:
    try:
        return make()
    except (*REFUSALS, MisconfigurationException) as error:
        raise ConfigError(f"{key} is refused: {' '.join(str(error).split())}") from error
