"""How many steps a network takes to reach an accuracy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import lightning.pytorch as pl

from cnn_anatomy.core.ranges import ProperFraction


class LearningSpeedProbe(pl.Callback):
    """Logs `steps/to_accuracy`, the training steps until validation accuracy reaches `accuracy`.

    Between two validations the accuracy is taken to change linearly; a network that reaches it by
    the first validation is given that one's steps. Logs nothing of a network that never does.
    """

    def __init__(self, accuracy: ProperFraction = 0.5) -> None:
        self.accuracy = accuracy
        self.curve: list[tuple[int, float]] = []

    def on_validation_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Add a validation to the curve."""
        if not trainer.sanity_checking:
            self.curve.append(
                (trainer.global_step, float(trainer.callback_metrics["val/accuracy"]))
            )

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        """Log when the curve reached the accuracy."""
        steps = first_reached(self.curve, self.accuracy)
        if steps is not None:
            for logger in trainer.loggers:
                logger.log_metrics({"steps/to_accuracy": steps}, step=0)

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run needs: the curve until now."""
        return {"curve": self.curve}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with the curve of the interrupted run."""
        self.curve = [(int(step), float(value)) for step, value in state_dict["curve"]]


def first_reached(curve: Sequence[tuple[float, float]], level: float) -> float | None:
    """Return the place at which a curve of (place, height) first reaches `level`, None if never."""
    for k, (place, height) in enumerate(curve):
        if height >= level:
            if not k:
                return float(place)
            start, below = curve[k - 1]
            return start + (place - start) * (level - below) / (height - below)
    return None
