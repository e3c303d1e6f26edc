"""How long the trainer's settings train and when they validate, decided without PyTorch.

The settings are those of Lightning's Trainer, with its defaults where one is not given.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cnn_anatomy.core.errors import ConfigError

Trainer = Mapping[str, Any]


def is_dry_run(trainer: Trainer) -> bool:
    """Return whether a run only tries a few batches, of which nothing is recorded."""
    return bool(trainer.get("fast_dev_run"))


def check_end(trainer: Trainer) -> None:
    """Check that training ends, and that an epoch is validated, as far as the settings tell.

    Raises:
        ConfigError: if it does not, or none is.
    """
    if is_dry_run(trainer):
        return
    epochs, every = trainer.get("max_epochs"), trainer.get("check_val_every_n_epoch", 1)
    if epochs is None and _max_steps(trainer) is None:
        raise ConfigError("trainer.max_epochs=null has no end: give trainer.max_steps=…, too")
    if every is None and not isinstance(trainer.get("val_check_interval"), int):
        raise ConfigError(
            "trainer.check_val_every_n_epoch=null needs trainer.val_check_interval, the number of "
            "batches between validations"
        )
    if None not in (epochs, every) and every > epochs:
        raise ConfigError(
            f"trainer.check_val_every_n_epoch={every} is above trainer.max_epochs={epochs}: "
            "validation selects the weights, and no epoch would have any"
        )


def check_batches(trainer: Trainer, train: int, val: int, tested: Sequence[int]) -> None:
    """Check that every limit leaves a batch, and that training is validated at least once.

    Args:
        trainer: the settings.
        train: the number of batches of training.
        val: that of validation.
        tested: those of every loader of testing.

    Raises:
        ConfigError: if a limit leaves none, or no validation would take place.
    """
    if is_dry_run(trainer):
        return
    for key, counts in (("train", [train]), ("val", [val]), ("test", tested)):
        limit = trainer.get(f"limit_{key}_batches")
        if _limited(min(counts), limit) < 1:
            raise ConfigError(
                f"trainer.limit_{key}_batches={limit} of {min(counts)} batches is less than one: "
                "give a larger part, or a whole number"
            )
    length = _limited(train, trainer.get("limit_train_batches"))
    steps = training_steps(trainer, train)
    every, interval = trainer.get("check_val_every_n_epoch", 1), trainer.get("val_check_interval")
    if every is not None:
        if isinstance(interval, int) and interval > length:
            raise ConfigError(
                f"trainer.val_check_interval={interval} is above {length}, the batches of an "
                "epoch: give fewer, or count them through the epochs by "
                "trainer.check_val_every_n_epoch=null"
            )
        epochs = training_epochs(trainer, train)
        if every > epochs:
            raise ConfigError(
                f"trainer.check_val_every_n_epoch={every} is above {epochs}, the epochs of "
                f"trainer.max_steps={steps}: validation selects the weights, and no epoch would "
                "have any"
            )
    elif _max_steps(trainer) != steps and interval > length * trainer["max_epochs"]:
        raise ConfigError(
            f"trainer.val_check_interval={interval} is above {length * trainer['max_epochs']}, the "
            "batches of training: validation selects the weights, and there would be none"
        )


def training_steps(trainer: Trainer, batches: int) -> int:
    """Return the steps of the optimiser where an epoch has so many `batches`."""
    if is_dry_run(trainer):
        return math.ceil(int(trainer["fast_dev_run"]) / _accumulated(trainer))
    per_epoch = _steps(trainer, _limited(batches, trainer.get("limit_train_batches")))
    epochs, steps = trainer.get("max_epochs"), _max_steps(trainer)
    limits = [steps, None if epochs is None else per_epoch * epochs]
    return min(limit for limit in limits if limit is not None)


def training_epochs(trainer: Trainer, batches: int) -> int:
    """Return the epochs where one has so many `batches`; the last may end early."""
    if is_dry_run(trainer):
        return 1
    per_epoch = _steps(trainer, _limited(batches, trainer.get("limit_train_batches")))
    return math.ceil(training_steps(trainer, batches) / per_epoch)


def _steps(trainer: Trainer, batches: int) -> int:
    """Return the steps of an epoch."""
    return math.ceil(batches / _accumulated(trainer))


def _accumulated(trainer: Trainer) -> int:
    return int(trainer.get("accumulate_grad_batches", 1))


def _max_steps(trainer: Trainer) -> int | None:
    steps = trainer.get("max_steps", -1)
    return None if steps == -1 else steps


def _limited(batches: int, limit: float | None) -> int:
    """Return how many of `batches` a limit leaves: a number of them, or a part, rounded down."""
    if limit is None:
        return batches
    return min(limit, batches) if isinstance(limit, int) else int(batches * limit)
