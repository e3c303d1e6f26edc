"""Gradients of the weights by depth and epoch, and their decay against network depth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from cnn_anatomy.report.figures.canvas import band, canvas, legend
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.metrics import UNTRAINED

FILE = "gradients.parquet"  # written by GradientProbe, which documents its columns


def gradients(evidence: Evidence, path: Path, *, variants: Sequence[str] | None = None) -> str:
    """Draw RMS against depth, untrained and in the last epoch, as geometric mean over seeds."""
    frames = _frames(evidence, variants)
    if not frames:
        return ""
    with canvas(path, 9.5, 3.4) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for variant, frame in frames.items():
            _profile(left, variant, frame[frame.epoch == frame.epoch.min()])
            _profile(right, variant, frame[frame.epoch == frame.epoch.max()])
        left.set_title("untrained, first batch")
        right.set_title("last epoch")
        left.set_ylabel("RMS of ∂L/∂W")
        for axes in (left, right):
            axes.set_yscale("log")
            axes.set_xlabel("depth (0 first layer, 1 last)")
        legend(right)
    return "Gradient of the weights by depth, before and after training"


def heatmap(evidence: Evidence, path: Path, *, variants: Sequence[str]) -> str:
    """Draw log10 RMS by depth and epoch in a panel per variant, on a common colour scale."""
    frames = _frames(evidence, variants)
    if not frames:
        return ""
    grids = {  # (depth, epoch), epoch 0 is the untrained network
        variant: np.log10(frame.rms).groupby([frame.depth, frame.epoch + 1]).mean().unstack()
        for variant, frame in frames.items()
    }
    lowest = min(grid.min().min() for grid in grids.values())
    highest = max(grid.max().max() for grid in grids.values())
    columns = min(len(grids), 3)
    lines = -(-len(grids) // columns)
    with canvas(path, 1.6 + 3.2 * columns, 0.4 + 2.8 * lines) as figure:
        panels = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
        for axes, (variant, grid) in zip(panels, grids.items(), strict=False):
            mesh = axes.pcolormesh(
                grid.columns,
                grid.index,
                grid,
                shading="nearest",
                vmin=lowest,
                vmax=highest,
                cmap="cividis",
                rasterized=True,
            )
            axes.set_title(variant)
            axes.set_xlabel("epoch (0: untrained)")
            axes.grid(visible=False)
            axes.invert_yaxis()
        for axes in panels[len(grids) :]:
            axes.remove()
        for axes in panels[::columns]:
            axes.set_ylabel("depth (0 first layer, 1 last)")
        figure.colorbar(mesh, ax=list(panels[: len(grids)]), label="log₁₀ RMS of ∂L/∂W")
    return "Gradient of the weights by depth and epoch, on a common scale; mean over seeds"


def decay_by_depth(
    evidence: Evidence,
    path: Path,
    *,
    metric: str = "untrained/gradient/decay",
    depth: str = "model.depth",
) -> str:
    """Draw the decay against the network's depth, a line for each combination of other params."""
    others = [p for p in evidence.study.table.rows if p not in (depth, "variant")]
    points: dict[str, list[pd.DataFrame]] = {}
    for variant in evidence.variants():
        run = evidence.runs(variant).iloc[0]
        values = evidence.values(variant, metric)
        if f"params.{depth}" in run and len(values):
            label = ", ".join(f"{p}={run.get(f'params.{p}', '–')}" for p in others)
            frame = {"x": int(run[f"params.{depth}"]), "seed": values.index, "y": values.values}
            points.setdefault(label, []).append(pd.DataFrame(frame))
    if not points:
        return ""
    with canvas(path, 7, 3.2) as figure:
        axes = figure.add_subplot()
        axes.axhline(0, color="0.3", linewidth=0.8)
        for label, frames in points.items():
            seeds = pd.concat(frames).groupby("seed")
            band(axes, [f.groupby("x").y.mean() for _, f in seeds], label)
        axes.set_xlabel("depth of the network (layers)")
        axes.set_ylabel("gradient decay (decades)")
        legend(axes)
    when = "in the untrained network " if metric.startswith(UNTRAINED) else ""
    return (
        f"Gradient decay {when}against depth (positive: vanishes toward the input, negative: "
        "explodes): mean and 95 % interval"
    )


def _frames(evidence: Evidence, variants: Sequence[str] | None) -> dict[str, pd.DataFrame]:
    """Return the nonzero gradients of all seeds of each variant that has any."""
    logged = {v: evidence.frames(v, FILE) for v in evidence.variants(variants)}
    merged = {v: pd.concat(frames) for v, frames in logged.items() if frames}
    return {v: nonzero for v, f in merged.items() if len(nonzero := f[f.rms > 0])}


def _profile(axes: Axes, variant: str, frame: pd.DataFrame) -> None:
    mean = np.log10(frame.rms).groupby(frame.depth).mean()
    axes.plot(mean.index, 10**mean, label=variant)
