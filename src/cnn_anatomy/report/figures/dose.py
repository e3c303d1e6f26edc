"""A metric against a number that variants are ordered by, such as a weight or a count of layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cnn_anatomy.report.figures.canvas import canvas
from cnn_anatomy.report.figures.lines import (
    End,
    draw_lines,
    label_ends,
    limit_percentages,
    name_lines,
    whole_ticks,
)
from cnn_anatomy.report.figures.style import BAND, INK, Encoding
from cnn_anatomy.report.figures.variants import families
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.metrics import UNTRAINED
from cnn_anatomy.results.metrics import metric as printed_metric
from cnn_anatomy.results.statistics import summarise

METRIC = "test/accuracy"


def frozen(
    evidence: Evidence,
    path: Path,
    *,
    lines: Mapping[str, Sequence[str]] | None = None,
    x: Sequence[str] = ("freeze.layers",),
    label: str = "number of frozen layers",
) -> str:
    """Draw accuracy against the number of frozen layers, the baseline as a horizontal band.

    Args:
        evidence: the study's runs.
        path: file to write, without suffix.
        lines: variants by the name of their line; by default all but the baseline are one line.
        x: params that place a variant on the axis; the first one that it has counts.
        label: of the axis.
    """
    baseline = evidence.study.table.baseline
    others = [v for v in evidence.variants() if v != baseline]
    named = {name: evidence.variants(v) for name, v in (lines or {"frozen": others}).items()}
    curves = {name: _curves(evidence, v, x, METRIC) for name, v in named.items() if v}
    if not curves:
        return ""
    level = summarise(100 * evidence.values(baseline, METRIC)) if baseline else None
    with canvas(path, 7, 3.4) as figure:
        axes = figure.add_subplot()
        encoding = Encoding.of_lines(curves)
        ends = draw_lines(axes, encoding, curves)
        if level:
            axes.axhline(level.mean, color=INK, linestyle=":", linewidth=1.2, zorder=1)
            axes.axhspan(level.low, level.high, color=INK, **BAND)
            ends[str(baseline)] = End(axes.get_xlim()[1], level.mean, INK)
        whole_ticks(axes)
        axes.set_xlabel(label)
        axes.set_ylabel("test accuracy (%)")
        limit_percentages(axes)
        label_ends(axes, ends)
    return f"Test accuracy against the {label}: each seed, the mean and its 95 % interval" + (
        f"; the dotted line and its band are {baseline}" if level else ""
    )


def dose(evidence: Evidence, path: Path, *, x: str, metric: str = METRIC) -> str:
    """Draw a metric against the param `x`, a line for each combination of the other axes."""
    curves, encoding = _families(evidence, x, metric)
    if not curves:
        return ""
    printed = printed_metric(metric)
    with canvas(path, 7, 3.4) as figure:
        axes = figure.add_subplot()
        ends = draw_lines(axes, encoding, curves)
        axes.set_xlabel(x)
        axes.set_ylabel(printed.label)
        name_lines(figure, axes, encoding, ends)
    return f"{_capital(printed.name)} against {x}: each seed, the mean and its 95 % interval"


def decay_by_depth(
    evidence: Evidence,
    path: Path,
    *,
    metric: str = "untrained/gradient/decay",
    depth: str = "model.depth",
) -> str:
    """Draw the decay against the network's depth, a line for each combination of other axes."""
    curves, encoding = _families(evidence, depth, metric)
    if not curves:
        return ""
    with canvas(path, 7, 3.4) as figure:
        axes = figure.add_subplot()
        axes.axhline(0, color=INK, linewidth=0.8)
        ends = draw_lines(axes, encoding, curves)
        axes.set_xticks(sorted({x for line in curves.values() for c in line for x in c.index}))
        axes.set_xlabel("depth of the network (layers)")
        axes.set_ylabel("gradient decay (decades)")
        name_lines(figure, axes, encoding, ends)
    when = "in the untrained network " if metric.startswith(UNTRAINED) else ""
    return (
        f"Gradient decay {when}against depth (positive: vanishes toward the input, negative: "
        "explodes): each seed, the mean and its 95 % interval"
    )


def _families(evidence: Evidence, x: str, name: str) -> tuple[dict[str, list[pd.Series]], Encoding]:
    """Return the curves of every family of variants that differ in `x` alone, and their looks."""
    family = families(evidence, x)
    members: dict[str, list[str]] = {}
    for variant in evidence.variants():
        if f"params.{x}" in evidence.runs(variant):
            members.setdefault(family[variant][0], []).append(variant)
    curves = {line: _curves(evidence, v, (x,), name) for line, v in members.items()}
    drawn = {line: c for line, c in curves.items() if any(len(s) for s in c)}
    return drawn, Encoding({line: dict([*family[members[line][0]][1].items()]) for line in drawn})


def _curves(
    evidence: Evidence, variants: Sequence[str], params: Sequence[str], name: str
) -> list[pd.Series]:
    """Return a metric in its printed unit for every seed, by the first param that a run has."""
    points = []
    for variant in variants:
        runs = evidence.runs(variant)
        columns = [f"params.{p}" for p in params if f"params.{p}" in runs]
        x = next((float(runs[c].iloc[0]) for c in columns if runs[c].notna().all()), None)
        if x is not None:
            values = printed_metric(name).scale * evidence.values(variant, name)
            points.append(pd.DataFrame({"x": x, "seed": values.index, "y": values.values}))
    if not points:
        return []
    return [f.groupby("x").y.mean() for _, f in pd.concat(points).groupby("seed")]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
