"""Test accuracy by variant, by cost and by the number of frozen layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from cnn_anatomy.report.figures.canvas import band, canvas, error_bars, legend
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.statistics import summarise

METRIC = "test/accuracy"


def accuracy(evidence: Evidence, path: Path) -> str:
    """Draw the seeds of every variant as dots, with their mean and its 95 % interval."""
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
                    summary.mean,
                    y,
                    xerr=error_bars(summary),
                    fmt="D",
                    color="C0",
                    capsize=3,
                    zorder=3,
                )
        axes.set_yticks(range(len(variants)), variants)
        axes.set_ylim(-0.6, len(variants) - 0.4)
        axes.set_xlabel("test accuracy (%): seeds, mean and 95 % interval")
    return "Test accuracy of every variant: each seed, the mean and its 95 % interval"


def cost(evidence: Evidence, path: Path, *, variants: Sequence[str] | None = None) -> str:
    """Draw accuracy against parameters and against multiply-adds, both on a log axis."""
    finished = evidence.variants(variants)
    if not finished:
        return ""
    with canvas(path, 9, 3.4) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, name, label in zip(
            panels, ("params/total", "macs"), ("parameters", "multiply-adds per image"), strict=True
        ):
            for i, variant in enumerate(finished):
                summary = summarise(100 * evidence.values(variant, METRIC))
                amount = summarise(evidence.values(variant, name))
                if summary and amount:
                    axes.errorbar(
                        amount.mean,
                        summary.mean,
                        yerr=error_bars(summary),
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
    """Draw accuracy against the number of frozen layers, the baseline as a horizontal line.

    Args:
        evidence: the study's runs.
        path: file to write, without suffix.
        lines: variants by the label of their line; by default all but the baseline are one line.
        x: params that place a variant on the axis; the first one that it has counts.
        label: of the axis.
    """
    baseline = evidence.study.table.baseline
    others = [v for v in evidence.variants() if v != baseline]
    curves = {name: evidence.variants(v) for name, v in (lines or {"frozen": others}).items()}
    if not any(curves.values()):
        return ""
    with canvas(path, 6, 3.2) as figure:
        axes = figure.add_subplot()
        for name, variants in curves.items():
            points = [_points(evidence, variant, x) for variant in variants]
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


def _points(evidence: Evidence, variant: str, params: Sequence[str]) -> pd.DataFrame:
    """Return a variant's accuracy (%) `y` of every `seed` at `x`, its first param of `params`."""
    runs = evidence.runs(variant)
    columns = [f"params.{name}" for name in params if f"params.{name}" in runs]
    x = int(next(runs[column].iloc[0] for column in columns if runs[column].notna().all()))
    values = 100 * evidence.values(variant, METRIC)
    return pd.DataFrame({"x": x, "seed": values.index, "y": values.values})
