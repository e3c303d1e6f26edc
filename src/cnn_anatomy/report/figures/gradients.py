"""Gradients of the weights by depth and epoch."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.figure import Figure

from cnn_anatomy.report.figures.canvas import canvas, written_as
from cnn_anatomy.report.figures.lines import Curves, draw_lines, name_lines, whole_ticks
from cnn_anatomy.report.figures.style import LABEL_POINTS, Encoding
from cnn_anatomy.report.figures.variants import short_names, study_encoding
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.statistics import summarise

FILE = "gradients.parquet"  # written by GradientProbe, and read by epoch
UNTRAINED_EPOCH = -1
DEPTH = "depth (0 first layer, 1 last)"
RMS = "RMS of ∂L/∂W"
SHOWN_DECADES = 7  # of the heatmap's colours; lower gradients are contours
CONTOUR_DECADES = 5  # between two contours
BEFORE, AFTER = "untrained", "last epoch"


def gradients(evidence: Evidence, path: Path, *, variants: Sequence[str] | None = None) -> str:
    """Draw RMS against depth, untrained and in the last epoch."""
    frames = _frames(evidence, variants)
    if not frames:
        return ""
    encoding = study_encoding(evidence)
    with canvas(path, 9.5, 3.6) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        ends = {}
        for axes, title, last in zip(panels, (BEFORE, AFTER), (False, True), strict=True):
            profiles = {variant: _profiles(f, last=last) for variant, f in frames.items()}
            ends = draw_lines(axes, encoding, profiles, log=True)
            axes.set(yscale="log", xlabel=DEPTH, title=title)
        panels[0].set_ylabel(RMS)
        name_lines(figure, panels[-1], encoding, ends)
    return (
        "Gradient of the weights by depth, before and after training: each seed, the geometric "
        "mean and its 95 % interval"
    )


def before_after(evidence: Evidence, path: Path, *, variants: Sequence[str]) -> str:
    """Draw a panel per variant: RMS against depth, untrained and in the last epoch, with the decay.

    The decay is that of the metrics `untrained/gradient/decay` and `gradient/decay`.
    """
    frames = _frames(evidence, variants)
    if not frames:
        return ""
    encoding = Encoding.of_lines((BEFORE, AFTER))
    names = short_names(list(frames))
    with canvas(path, 0.7 + 2.4 * len(frames), 3.3) as figure:
        panels = figure.subplots(1, len(frames), sharey=True, sharex=True, squeeze=False)[0]
        for axes, (variant, seeds) in zip(panels, frames.items(), strict=True):
            lines = {BEFORE: _profiles(seeds, last=False), AFTER: _profiles(seeds, last=True)}
            ends = draw_lines(axes, encoding, lines, log=True)
            axes.set(yscale="log", xlabel=DEPTH, title=names[variant].replace(" ", "\n"))
            axes.set_xticks((0, 0.5, 1))
            _write_decays(axes, evidence, variant, encoding)
        panels[0].set_ylabel(RMS)
        name_lines(figure, panels[-1], encoding, ends)
    shared = " ".join(w for w in next(iter(frames)).split() if w not in " ".join(names.values()))
    return (
        f"Gradient of the weights by depth before and after training{f', {shared}' * bool(shared)}:"
        " each seed, the geometric mean and its 95 % interval; the numbers are the decay from the "
        "last layer to the first, in decades"
    )


def _write_decays(axes: Axes, evidence: Evidence, variant: str, encoding: Encoding) -> None:
    decays = {BEFORE: "untrained/gradient/decay", AFTER: "gradient/decay"}
    for row, (when, name) in enumerate(decays.items()):
        decay = summarise(evidence.values(variant, name))
        if decay:
            text = f"{decay.mean:+.1f}".replace("-", "−")
            axes.text(
                *(0.97, 0.14 - 0.09 * row, text),
                transform=axes.transAxes,
                color=encoding.look(when).colour,
                ha="right",
                fontsize=LABEL_POINTS + 2,
            )


def heatmap(evidence: Evidence, path: Path, *, variants: Sequence[str]) -> str:
    """Draw log10 RMS by depth and epoch in a panel per variant.

    The colours span the highest decades, which hold every healthy gradient; lower ones have
    one colour and contours.
    """
    frames = _frames(evidence, variants)
    if not frames:
        return ""
    grids = {variant: _grid(list(seeds.values())) for variant, seeds in frames.items()}
    highest = math.ceil(max(grid.max().max() for grid in grids.values()))
    columns = min(len(grids), 3)
    lines = -(-len(grids) // columns)
    with canvas(path, 1.6 + 2.8 * columns, 0.4 + 2.5 * lines) as figure:
        panels = figure.subplots(lines, columns, sharey=True, squeeze=False).ravel()
        for axes, (variant, grid) in zip(panels, grids.items(), strict=False):
            mesh = _draw_map(axes, grid, highest)
            axes.set_title(variant, fontsize=9)
        for axes in panels[len(grids) :]:
            axes.remove()
        for axes in panels[::columns]:
            axes.set_ylabel(DEPTH)
        _add_colour_bar(figure, mesh, list(panels[: len(grids)]))
    return (
        "Gradient of the weights by depth and epoch, geometric mean over seeds; all gradients "
        f"below 10 to the power {highest - SHOWN_DECADES} have one colour, and white contours "
        f"every {CONTOUR_DECADES} decades"
    ).replace("-", "−")


def run_heatmap(gradients: pd.DataFrame, path: Path) -> None:
    """Draw log10 RMS by depth and epoch of one run as path.png.

    Args:
        gradients: a row for each epoch (−1: untrained) and layer: epoch, depth, log_rms.
        path: file to write, without suffix.
    """
    if gradients.empty:  # every gradient is zero
        return
    grid = _grid([gradients])
    with written_as("png"), canvas(path, 4.4, 2.9) as figure:
        axes = figure.add_subplot()
        mesh = _draw_map(axes, grid, math.ceil(grid.max().max()))
        axes.set_ylabel(DEPTH)
        _add_colour_bar(figure, mesh, [axes])


def _draw_map(axes: Axes, grid: pd.DataFrame, highest: int) -> QuadMesh:
    """Draw log10 RMS by depth and epoch, with colours for the decades below `highest`."""
    mesh = axes.pcolormesh(
        grid.columns,
        grid.index,
        grid,
        shading="nearest",
        vmin=highest - SHOWN_DECADES,
        vmax=highest,
        cmap="cividis",
        rasterized=True,
    )
    _draw_contours(axes, grid, highest - SHOWN_DECADES)
    axes.set_xlabel("epoch (0: untrained)")
    whole_ticks(axes)
    axes.grid(visible=False)
    axes.set_ylim(1, 0)
    return mesh


def _add_colour_bar(figure: Figure, mesh: QuadMesh, panels: Sequence[Axes]) -> None:
    figure.colorbar(mesh, ax=panels, label=f"log₁₀ {RMS}", extend="min")


def _draw_contours(axes: Axes, grid: pd.DataFrame, highest: float) -> None:
    lowest = grid.min().min()
    top = CONTOUR_DECADES * (math.ceil(highest / CONTOUR_DECADES) - 1)
    levels = np.arange(top, lowest, -CONTOUR_DECADES)[::-1]
    if len(levels) and min(grid.shape) > 1:
        contours = axes.contour(
            grid.columns, grid.index, grid, levels, colors="white", linestyles="-", linewidths=0.6
        )
        axes.clabel(contours, fmt=lambda x: f"{x:g}".replace("-", "−"), fontsize=7)


def _grid(frames: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the mean log10 RMS by depth and by epochs done, 0 of which is the untrained one."""
    frame = pd.concat(frames)
    return frame.log_rms.groupby([frame.depth, frame.epoch + 1]).mean().unstack()


def _profiles(frames: Mapping[int, pd.DataFrame], *, last: bool) -> Curves:
    """Return the mean log10 RMS by depth of every seed, untrained or in the last epoch."""
    profiles = []
    for frame in frames.values():
        epoch = frame.epoch.max() if last else UNTRAINED_EPOCH
        shown = frame[frame.epoch == epoch]
        profiles.append(shown.set_index("depth").log_rms)
    return profiles


def _frames(
    evidence: Evidence, variants: Sequence[str] | None
) -> dict[str, dict[int, pd.DataFrame]]:
    """Return the gradients by epoch of every seed of each variant that has any."""
    logged = evidence.frames_by_variant(FILE, variants)
    found = {v: {seed: f for seed, f in seeds.items() if len(f)} for v, seeds in logged.items()}
    return {variant: seeds for variant, seeds in found.items() if seeds}
