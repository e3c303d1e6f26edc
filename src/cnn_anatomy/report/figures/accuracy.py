"""Test accuracy by variant, and by what the variant costs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import EngFormatter, LogLocator, NullLocator

from cnn_anatomy.report.figures.canvas import canvas
from cnn_anatomy.report.figures.lines import add_legend, error_bars, whole_ticks
from cnn_anatomy.report.figures.style import DOT, LABEL_POINTS, Encoding
from cnn_anatomy.report.figures.variants import study_encoding
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.results.statistics import summarise

METRIC = "test/accuracy"
BUDGETS = ("params/total", "macs")


class CostAxis(NamedTuple):
    """What the axis of a cost says, and its scale."""

    name: str
    unit: str = ""
    scale: str = "log"


COSTS = {
    "params/total": CostAxis("parameters"),
    "macs": CostAxis("multiply-adds per image"),
    "receptive_field": CostAxis("the receptive field", " (pixels)", "linear"),
}
LEAST_RATIO = 1.1  # of the dearest to the cheapest variant, for a cost to be an axis
COLUMN_INCHES = 0.85
POINTS_PER_INCH = 72


def accuracy(evidence: Evidence, path: Path) -> str:
    """Draw the seeds of every variant as dots, the mean and its 95 % interval, beside the cost."""
    variants = evidence.sweep.variants[::-1]
    if not evidence.variants():
        return ""
    encoding = study_encoding(evidence)
    with canvas(path, 7.5, 1 + 0.34 * len(variants)) as figure:
        axes = figure.add_subplot()
        for y, variant in enumerate(variants):
            look = encoding.look(variant)
            values = 100 * evidence.values(variant, METRIC)
            axes.plot(values, np.full(len(values), y), "o", color=look.colour, **DOT)
            summary = summarise(values)
            if summary:
                bars = error_bars(summary)
                axes.errorbar(summary.mean, y, xerr=bars, **look.mark, capsize=3, zorder=3)
        axes.set_yticks(range(len(variants)), variants)
        axes.set_ylim(-0.6, len(variants) - 0.4)
        low, high = axes.get_xlim()
        axes.set_xlim(max(low, 0), min(high, 101))
        axes.set_xlabel("test accuracy (%): seeds, mean and 95 % interval")
        for column, name in enumerate(BUDGETS):
            _write_column(axes, evidence, variants, name, column)
    return (
        "Test accuracy of every variant: each seed, the mean and its 95 % interval; on the right "
        "parameters and multiply-adds per image"
    )


def _write_column(
    axes: Axes, evidence: Evidence, variants: Sequence[str], name: str, column: int
) -> None:
    """Write the mean of a metric beside every row, under its name; nothing if no run has it."""
    means = {y: summarise(evidence.values(v, name)) for y, v in enumerate(variants)}
    if not any(means.values()):
        return
    printed = metric(name)
    head = printed.label.replace(" (", "\n(")
    texts = [(float(y), printed.text(s.mean), "center") for y, s in means.items() if s]
    for y, text, alignment in [*texts, (len(variants) - 0.4, head, "bottom")]:
        axes.annotate(
            text,
            (1, y),
            (COLUMN_INCHES * POINTS_PER_INCH * (column + 1), 0),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            ha="right",
            va=alignment,
            fontsize=LABEL_POINTS,
        )


def cost(evidence: Evidence, path: Path, *, variants: Sequence[str] | None = None) -> str:
    """Draw accuracy against parameters, multiply-adds and receptive field, if variants differ."""
    finished = evidence.variants(variants)
    differing = [name for name in COSTS if _ratio(evidence, finished, name) >= LEAST_RATIO]
    if not differing:
        return ""
    encoding = study_encoding(evidence)
    with canvas(path, 2.2 + 3.4 * len(differing), 3.4) as figure:
        panels = figure.subplots(1, len(differing), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, differing, strict=True):
            for variant in finished:
                _draw_point(axes, evidence, encoding, variant, name)
            _scale(axes, COSTS[name])
        panels[0].set_ylabel("test accuracy (%)")
        add_legend(figure, encoding, finished)
    return (
        f"Test accuracy against {' and against '.join(COSTS[name].name for name in differing)}: "
        "each seed, the mean and its 95 % interval"
    )


def _scale(axes: Axes, cost: CostAxis) -> None:
    """Give the x-axis its label, its scale and ticks that do not collide."""
    axes.set_xlabel(f"{cost.name.removeprefix('the ')}{cost.unit}")
    axes.set_xscale(cost.scale)
    if cost.scale == "log":
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axes.xaxis.set_major_formatter(EngFormatter(sep=" "))
        axes.xaxis.set_minor_locator(NullLocator())
    else:
        whole_ticks(axes)


def _draw_point(
    axes: Axes, evidence: Evidence, encoding: Encoding, variant: str, cost_name: str
) -> None:
    values = 100 * evidence.values(variant, METRIC)
    mean, amount = summarise(values), summarise(evidence.values(variant, cost_name))
    if mean and amount:
        look = encoding.look(variant)
        axes.plot(np.full(len(values), amount.mean), values, "o", color=look.colour, **DOT)
        axes.errorbar(
            amount.mean, mean.mean, yerr=error_bars(mean), **look.mark, capsize=3, zorder=3
        )


def _ratio(evidence: Evidence, variants: Sequence[str], name: str) -> float:
    means = [s.mean for v in variants if (s := summarise(evidence.values(v, name)))]
    return max(means) / min(means) if means else 0.0
