"""The paper that figures are drawn on, and the marks that several share."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cnn_anatomy.results.statistics import Summary, summarise

STYLE = Path(__file__).parents[1] / "paper.mplstyle"


@contextmanager
def canvas(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of that size in inches, and save it as PNG and SVG."""
    with rc_context(fname=STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(path.with_suffix(".png"))
        figure.savefig(path.with_suffix(".svg"), metadata={"Date": None})


def band(axes: Axes, curves: Sequence[pd.Series], label: str) -> None:
    """Draw the mean of curves (one a seed, by x) and the 95 % interval of the mean."""
    every = pd.concat(curves, axis=1).sort_index()
    summaries = {x: s for x, row in every.iterrows() if (s := summarise(row)) is not None}
    x = np.asarray(list(summaries), dtype=float)
    (line,) = axes.plot(x, [s.mean for s in summaries.values()], label=label, marker=".")
    low, high = ([getattr(s, side) for s in summaries.values()] for side in ("low", "high"))
    axes.fill_between(x, low, high, color=line.get_color(), alpha=0.15, linewidth=0)


def legend(axes: Axes) -> None:
    """Name the lines beside the axes."""
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))


def reach(summary: Summary) -> np.ndarray:
    """Return how far the interval reaches below and above the mean (2, 1), as error bars want."""
    return np.nan_to_num([[summary.mean - summary.low], [summary.high - summary.mean]])
