"""The label, unit, precision and ranking of every metric that a table can show."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from cnn_anatomy.core.errors import ConfigError, did_you_mean

UNTRAINED = "untrained/"
UNIT = re.compile(r" \((%|points|decades|×?10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)\)")


def highest(value: float) -> float:
    """Rank the highest value first."""
    return -value


def lowest(value: float) -> float:
    """Rank the lowest value first."""
    return value


def nearest_zero(value: float) -> float:
    """Rank the value nearest to zero first."""
    return abs(value)


@dataclass(frozen=True)
class Metric:
    """How a metric prints in a table and which of its values is best.

    Args:
        label: head of the column, with the unit in brackets.
        scale: factor from the logged value to the printed unit.
        decimals: digits after the point.
        exact: whether every seed has the same value, so that it has no deviation.
        rank: maps a value to a number that is smallest for the best; None if no value is best.
        budget: whether a value far from the baseline's makes two variants hard to compare.
    """

    label: str
    scale: float = 1.0
    decimals: int = 2
    exact: bool = False
    rank: Callable[[float], float] | None = None
    budget: bool = False

    @property
    def name(self) -> str:
        """Return the label without the unit."""
        return UNIT.sub("", self.label)

    def text(self, value: float) -> str:
        """Return a logged value in the printed unit, without naming it."""
        text = f"{value * self.scale:z,.{self.decimals}f}"  # z: no minus before a zero
        return text.replace("-", "−")

    def quantity(self, text: str, *, difference: bool = False) -> str:
        """Append the unit to a printed value; a difference of percentages is in points."""
        match = UNIT.search(self.label)
        unit = match[1].lstrip("×") if match else ""
        if unit == "%" and difference:
            unit = "points"
        return f"{text} × {unit}" if unit.startswith("10") else f"{text} {unit}".rstrip()


METRICS = {
    "test/accuracy": Metric("test accuracy (%)", 100, 1, rank=highest),
    "val/accuracy": Metric("val. accuracy (%)", 100, 1, rank=highest),
    "train/accuracy": Metric("train accuracy, augmented (%)", 100, 1, rank=highest),
    "train/clean_accuracy": Metric("train accuracy (%)", 100, 1, rank=highest),
    "gap/accuracy": Metric("train − test (points)", 100, 1),
    "test/loss": Metric("test loss", 1, 3, rank=lowest),
    "train/loss": Metric("train loss", 1, 3, rank=lowest),
    "val/loss": Metric("val. loss", 1, 3, rank=lowest),
    "consistency/shift": Metric("shift consistency (%)", 100, 1, rank=highest),
    "consistency/shift_1": Metric("consistency, 1 pixel (%)", 100, 1, rank=highest),
    "consistency/shift_2": Metric("consistency, 2 pixels (%)", 100, 1, rank=highest),
    "consistency/shift_given_correct": Metric("consistency, if correct (%)", 100, 1, rank=highest),
    "activation/contrast": Metric("contrast, box to outside", 1, 3, rank=highest),
    "averaged/contrast_lost": Metric("contrast lost by averaging", 1, 3),
    "averaged/accuracy_lost": Metric("accuracy lost by averaging (points)", 100, 1),
    "accuracy/scale": Metric("accuracy, zoomed (%)", 100, 1, rank=highest),
    "accuracy/noise": Metric("accuracy, noisy (%)", 100, 1, rank=highest),
    "drop/test": Metric("accuracy lost from val. to test (%)", 100, 1, rank=lowest),
    "drop/scale": Metric("accuracy lost, zoomed (%)", 100, 1, rank=lowest),
    "drop/noise": Metric("accuracy lost, noisy (%)", 100, 1, rank=lowest),
    "accuracy/small": Metric("accuracy, small objects (%)", 100, 1, rank=highest),
    "accuracy/large": Metric("accuracy, large objects (%)", 100, 1, rank=highest),
    "accuracy/size_difference": Metric("accuracy, large − small objects (points)", 100, 1),
    "knockout/branch1": Metric("accuracy lost without 1×1 (points)", 100, 1),
    "knockout/branch3": Metric("accuracy lost without 3×3 (points)", 100, 1),
    "knockout/branch5": Metric("accuracy lost without 5×5 (points)", 100, 1),
    "knockout/pool": Metric("accuracy lost without pool (points)", 100, 1),
    "knockout/size_interaction": Metric("extra reliance of large objects on 5×5 (points)", 100, 1),
    "features/fisher": Metric("Fisher ratio", 1, 3, rank=highest),
    "features/linear_probe": Metric("linear probe's accuracy (%)", 100, 1, rank=highest),
    "filters/edges": Metric("likeness to edges, first layer", 1, 3),
    "cam/peak_in_box": Metric("map peaks in box (%)", 100, 1, rank=highest),
    "cam/centre_in_box": Metric("image's centre in box (%)", 100, 1),
    "cam/brightest_in_box": Metric("brightest patch in box (%)", 100, 1),
    "cam/peak_excess": Metric("map peaks in box, above trivial (points)", 100, 1, rank=highest),
    "input_sizes/accepted": Metric("input sizes accepted, of 4", 1, 0, exact=True, rank=highest),
    "gradient/auxiliary_share": Metric("aux. heads' share of first-layer gradient (%)", 100, 1),
    "gradient/first": Metric("gradient RMS, first layer (×10⁻³)", 1e3, 3),
    "gradient/last": Metric("gradient RMS, last layer (×10⁻³)", 1e3, 3),
    "gradient/decay": Metric("gradient decay (decades)", 1, 2, rank=nearest_zero),
    "params/total": Metric("params (10³)", 1e-3, 1, exact=True, rank=lowest, budget=True),
    "params/trainable": Metric("trainable (10³)", 1e-3, 1, exact=True, rank=lowest),
    "params/head": Metric("head params (10³)", 1e-3, 1, exact=True, rank=lowest),
    "params/auxiliary": Metric("auxiliary params (10³)", 1e-3, 1, exact=True, rank=lowest),
    "macs": Metric("MACs (10⁶)", 1e-6, 2, exact=True, rank=lowest, budget=True),
    "receptive_field": Metric("receptive field (pixels)", 1, 0, exact=True),
    "steps/to_accuracy": Metric("steps to the set val. accuracy", 1, 0),
    "speed/images_per_second": Metric("train images/s", 1, 0, rank=highest),
    "speed/inference_images_per_second": Metric("test images/s", 1, 0, rank=highest),
}


def metric(name: str, key: str = "table.metrics") -> Metric:
    """Return how a metric prints; `untrained/<name>` is measured before the first step.

    Raises:
        ConfigError: if METRICS lacks it, naming the `key` that asks for it and the choices.
    """
    base = name.removeprefix(UNTRAINED)
    if base not in METRICS:
        raise ConfigError(
            f"{key}={name} is none of {', '.join(METRICS)}{did_you_mean(base, METRICS)}"
        )
    trained = METRICS[base]
    return trained if base == name else replace(trained, label=f"{trained.label}, untrained")
