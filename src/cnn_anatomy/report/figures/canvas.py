"""Creating and saving figures, and the elements that several figures share."""

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

from cnn_anatomy.core.atomic import atomic_write
from cnn_anatomy.results.statistics import Summary, summarise

STYLE = Path(__file__).parents[1] / "paper.mplstyle"


@contextmanager
def canvas(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of `width` by `height` inches, then save it as path.png and path.svg."""
    with rc_context(fname=STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        with atomic_write(path.with_suffix(".png")) as part:
            figure.savefig(part, format="png")
        with atomic_write(path.with_suffix(".svg")) as part:
            figure.savefig(part, format="svg", metadata={"Date": None})  # same runs, same bytes


def band(axes: Axes, curves: Sequence[pd.Series], label: str) -> None:
    """Draw the mean over curves, one per seed indexed by x, and its 95 % interval."""
    seeds = pd.concat(curves, axis=1).sort_index()
    summaries = {x: s for x, row in seeds.iterrows() if (s := summarise(row)) is not None}
    x = np.asarray(list(summaries), dtype=float)
    (line,) = axes.plot(x, [s.mean for s in summaries.values()], label=label, marker=".")
    low, high = ([getattr(s, side) for s in summaries.values()] for side in ("low", "high"))
    axes.fill_between(x, low, high, color=line.get_color(), alpha=0.15, linewidth=0)


def legend(axes: Axes) -> None:
    """Put a legend beside the axes if there is more than one line."""
    if len(axes.get_legend_handles_labels()[0]) > 1:
        axes.legend(loc="center left", bbox_to_anchor=(1.02, 0.5))


def error_bars(summary: Summary) -> np.ndarray:
    """Return the distances from the mean to the ends of its interval, (2, 1), for error bars."""
    return np.nan_to_num([[summary.mean - summary.low], [summary.high - summary.mean]])
