"""A study's figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.statistics import summarise

STYLE = Path(__file__).with_name("paper.mplstyle")


def accuracy(sweep: Sweep, folder: Path) -> Path:
    """Draw the test accuracy of every variant: each seed a dot, the mean and its 95 % interval."""
    variants = sweep.variants[::-1]
    with _figure(folder / "accuracy", 6, 0.9 + 0.34 * len(variants)) as figure:
        axes = figure.add_subplot()
        for y, variant in enumerate(variants):
            done = sweep.finished[sweep.finished.variant == variant]
            values = 100 * done.get("metrics.test/accuracy", pd.Series(dtype=float)).to_numpy()
            axes.plot(values, np.full(len(values), y), "o", color="0.6", markersize=4, zorder=2)
            summary = summarise(values)
            if summary:
                interval = [[summary.mean - summary.low], [summary.high - summary.mean]]
                axes.errorbar(
                    summary.mean, y, xerr=np.nan_to_num(interval), fmt="D", color="C0", capsize=3
                )
        axes.set_yticks(range(len(variants)), variants)
        axes.set_ylim(-0.6, len(variants) - 0.4)
        axes.set_xlabel("test accuracy (%): seeds, mean and 95 % interval")
    return folder / "accuracy.png"


def gradient_profile(frames: dict[str, list[pd.DataFrame]], folder: Path) -> Path:
    """Draw the gradient's RMS against depth, untrained and in the last epoch.

    `frames` holds each variant's gradient records, one a seed; lines are geometric means.
    """
    with _figure(folder / "gradients", 9.5, 3.4) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for variant, records in frames.items():
            _profile(left, variant, [f[f.epoch == f.epoch.min()] for f in records])
            _profile(right, variant, [f[f.epoch == f.epoch.max()] for f in records])
        left.set_title("untrained, first batch")
        right.set_title("last epoch")
        left.set_ylabel("RMS of ∂L/∂W")
        for axes in (left, right):
            axes.set_yscale("log")
            axes.set_xlabel("depth (0 first layer, 1 last)")
        right.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))
    return folder / "gradients.png"


def _profile(axes: Axes, variant: str, frames: list[pd.DataFrame]) -> None:
    every = pd.concat(frames)
    every = every[every.rms > 0]
    mean = np.log10(every.rms).groupby(every.depth).mean()
    axes.plot(mean.index, 10**mean, label=variant)


@contextmanager
def _figure(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of that size in inches, and save it as PNG and SVG."""
    with rc_context(fname=STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path.with_suffix(".png"))
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})
