"""Lines of means with their seeds and intervals, and the names of lines."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from cnn_anatomy.report.figures.style import BAND, LABEL_POINTS, SEED, Encoding, Look
from cnn_anatomy.results.statistics import Summary, summarise

MOST_MARKERS = 12  # on a line
LEAST_SEEDS = 3  # whose interval fits on the axes: that of two is 18 standard deviations wide
MOST_NAMES = 10  # beside lines; more are in a legend
Curves = Sequence[pd.Series]  # one a seed, indexed by x


class End(NamedTuple):
    """The right end of a line, in the data's units."""

    x: float
    y: float
    colour: str


def draw_lines(
    axes: Axes, encoding: Encoding, lines: Mapping[str, Curves], *, log: bool = False
) -> dict[str, End]:
    """Draw the seeds, the mean and its 95 % interval of every variant; return the lines' ends.

    Args:
        axes: where to draw.
        encoding: the looks of the variants.
        lines: the curves of each variant; a variant without any point is left out.
        log: whether the curves are decimal logarithms of what the axis shows.
    """
    ends = {}
    for variant, curves in lines.items():
        if any(curve.notna().any() for curve in curves):
            ends[variant] = _draw_line(axes, encoding.look(variant), curves, log=log)
    return ends


def _draw_line(axes: Axes, look: Look, curves: Curves, *, log: bool) -> End:
    def shown(values: object) -> np.ndarray:
        array = np.asarray(values, dtype=float)
        return 10**array if log else array

    seeds = pd.concat(curves, axis=1).sort_index()
    if len(curves) > 1:
        for _, seed in seeds.items():
            axes.plot(seed.index, shown(seed), color=look.colour, linestyle=look.line, **SEED)
    summaries = {x: s for x, row in seeds.iterrows() if (s := summarise(row)) is not None}
    x = np.asarray(list(summaries), dtype=float)
    mean, low, high = (
        shown([getattr(s, side) for s in summaries.values()]) for side in ("mean", "low", "high")
    )
    limits = axes.dataLim.frozen()
    axes.fill_between(x, low, high, color=look.colour, **BAND)
    if len(curves) < LEAST_SEEDS:
        axes.dataLim.set(limits)
    axes.plot(x, mean, **look.curve, markevery=-(-len(x) // MOST_MARKERS))
    if len(x) == 1:  # which has no band
        axes.plot([x[0]] * 2, [low[0], high[0]], color=look.colour)
    return End(float(x[-1]), float(mean[-1]), look.colour)


def name_lines(figure: Figure, axes: Axes, encoding: Encoding, ends: Mapping[str, End]) -> None:
    """Name every line at its end, right of `axes`; axes that cross get a legend instead."""
    if not encoding.is_single or len(ends) > MOST_NAMES:
        add_legend(figure, encoding, list(ends))
    elif len(ends) > 1:
        label_ends(axes, {encoding.name(variant): end for variant, end in ends.items()})


def add_legend(figure: Figure, encoding: Encoding, shown: Collection[str]) -> None:
    """Put the values of every axis to the right of the figure, if there are several variants."""
    if len(shown) < 2:
        return
    entries = list(encoding.legend(shown))
    handles = [Line2D([], [], linestyle="") if e is None else e for e, _ in entries]
    legend = figure.legend(
        handles, [label for _, label in entries], loc="outside right center", handlelength=2.6
    )
    for (sample, _), text in zip(entries, legend.get_texts(), strict=True):
        text.set_fontweight("bold" if sample is None else "normal")


def label_ends(axes: Axes, ends: Mapping[str, End]) -> None:
    """Write the name of each line beside its end, on `axes` with all lines drawn."""
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    to_height = axes.transData + axes.transAxes.inverted()
    heights = [float(to_height.transform((end.x, end.y))[1]) for end in ends.values()]
    figure = axes.get_figure(root=True)
    assert figure is not None
    inches = 0.75 * figure.get_figheight() / axes.get_gridspec().nrows  # type: ignore[union-attr]
    spread = spread_apart(heights, gap=1.3 * LABEL_POINTS / 72 / inches)
    for (name, end), height in zip(ends.items(), spread, strict=True):
        axes.annotate(
            name,
            (end.x, end.y),
            (1.04, height),
            textcoords="axes fraction",
            color=end.colour,
            fontsize=LABEL_POINTS,
            verticalalignment="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": end.colour, "linewidth": 0.5, "shrinkA": 0},
        )


def spread_apart(places: Sequence[float], gap: float) -> list[float]:
    """Return `places` in the same order, moved as little as needed to be `gap` apart.

    Places that are too close are spread about their mean (the least squares of isotonic
    regression, by pooling adjacent violators).
    """
    order = sorted(range(len(places)), key=places.__getitem__)
    clusters: list[tuple[float, int]] = []  # the mean of places less the gaps before, the number
    for rank, i in enumerate(order):
        clusters.append((places[i] - rank * gap, 1))
        while len(clusters) > 1 and clusters[-2][0] > clusters[-1][0]:
            (a, n), (b, m) = clusters[-2:]
            clusters[-2:] = [((a * n + b * m) / (n + m), n + m)]
    means = [mean for mean, count in clusters for _ in range(count)]
    spread = [0.0] * len(places)
    for rank, (i, mean) in enumerate(zip(order, means, strict=True)):
        spread[i] = mean + rank * gap
    return spread


def error_bars(summary: Summary) -> np.ndarray:
    """Return the distances from the mean to the ends of its interval, (2, 1), for error bars."""
    return np.nan_to_num([[summary.mean - summary.low], [summary.high - summary.mean]])


def limit_percentages(axes: Axes) -> None:
    """Let the y-axis end at 0 and at 100, which intervals may pass."""
    low, high = axes.get_ylim()
    axes.set_ylim(max(low, 0), min(high, 101))


def whole_ticks(axes: Axes) -> None:
    """Put the ticks of the x-axis on whole numbers."""
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
