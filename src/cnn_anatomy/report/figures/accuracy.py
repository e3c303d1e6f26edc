"""Test accuracy: of every variant, against its cost, against how much is frozen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cnn_anatomy.report.figures.canvas import band, canvas, legend, reach
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.statistics import summarise

METRIC = "test/accuracy"


def accuracy(evidence: Evidence, path: Path) -> str:
    """Draw every variant's seeds as dots, their mean and its 95 % interval."""
    variants = evidence.sweep.variants[::-1]
    if not evidence.variants():
        return ""
    with canvas(path, 6, 0.9 + 0.34 * len(variants)) as figure:
        axes = figure.add_subplot()
        for y, variant in enumerate(variants):
            values = 100 * evidence.values(variant, METRIC)
            axes.plot(values, np.full(len(values), y), "o", color="0.6", markersize=4, zorder=2)
            summary = summarise(values)
            if summary:
                axes.errorbar(
                    summary.mean, y, xerr=reach(summary), fmt="D", color="C0", capsize=3, zorder=3
                )
        axes.set_yticks(range(len(variants)), variants)
        axes.set_ylim(-0.6, len(variants) - 0.4)
        axes.set_xlabel("test accuracy (%): seeds, mean and 95 % interval")
    return "Test accuracy of every variant: each seed, the mean and its 95 % interval"


def cost(evidence: Evidence, path: Path, *, variants: Sequence[str] | None = None) -> str:
    """Draw accuracy against parameters and against multiply-adds, both on a log axis."""
    shown = evidence.variants(variants)
    if not shown:
        return ""
    with canvas(path, 9, 3.4) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, name, label in zip(
            panels, ("params/total", "macs"), ("parameters", "multiply-adds an image"), strict=True
        ):
            for i, variant in enumerate(shown):
                summary = summarise(100 * evidence.values(variant, METRIC))
                price = summarise(evidence.values(variant, name))
                if summary and price:
                    axes.errorbar(
                        price.mean,
                        summary.mean,
                        yerr=reach(summary),
                        fmt="osD^v<>p"[i % 8],
                        color=f"C{i % 8}",
                        capsize=3,
                        label=variant,
                    )
            axes.set_xscale("log")
            axes.set_xlabel(label)
        panels[0].set_ylabel("test accuracy (%)")
        legend(panels[1])
    return "Test accuracy against parameters and against multiply-adds; bars are 95 % intervals"


def frozen(
    evidence: Evidence,
    path: Path,
    *,
    lines: Mapping[str, Sequence[str]] | None = None,
    x: Sequence[str] = ("freeze.layers",),
    label: str = "number of frozen layers",
) -> str:
    """Draw accuracy against the number of frozen layers, with the baseline as a level line.

    `lines` maps a line's label to its variants; all but the baseline are one line by default.
    `x` names the params that say where a variant stands, the first that it has; `label` the axis.
    """
    baseline = evidence.study.table.baseline
    others = [v for v in evidence.variants() if v != baseline]
    drawn = {name: evidence.variants(v) for name, v in (lines or {"frozen": others}).items()}
    if not any(drawn.values()):
        return ""
    with canvas(path, 6, 3.2) as figure:
        axes = figure.add_subplot()
        for name, variants in drawn.items():
            points = []
            for variant in variants:
                depth = _first(evidence.runs(variant), x)
                values = 100 * evidence.values(variant, METRIC)
                points.append(pd.DataFrame({"x": depth, "seed": values.index, "y": values.values}))
            if points:
                seeds = pd.concat(points).groupby("seed")
                band(axes, [f.groupby("x").y.mean() for _, f in seeds], name)
        level = summarise(100 * evidence.values(baseline, METRIC)) if baseline else None
        if level:
            axes.axhline(level.mean, color="0.3", linestyle=":", label=baseline)
        axes.set_xlabel(label)
        axes.set_ylabel("test accuracy (%)")
        legend(axes)
    return f"Test accuracy against the {label}: mean and 95 % interval" + (
        f"; the dotted line is {baseline}" if level else ""
    )


def _first(runs: pd.DataFrame, params: Sequence[str]) -> int:
    """Return the first of `params` that the runs have."""
    there = [f"params.{name}" for name in params if f"params.{name}" in runs]
    return int(next(runs[name].iloc[0] for name in there if runs[name].notna().all()))
