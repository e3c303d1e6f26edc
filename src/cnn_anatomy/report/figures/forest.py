"""The forest plot of the ledger: every claim's effect, in units of what matters."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from cnn_anatomy.report.figures.canvas import canvas
from cnn_anatomy.results.verdicts import REFUTED, SUPPORTED, Verdict

COLOURS = {SUPPORTED: "#0072B2", REFUTED: "#D55E00"}
OTHER_COLOUR = "0.45"
ROW_INCHES = 0.21
LABEL_CHARACTERS = 76
FURTHER_SHARE = 0.65  # of the size of a mark, for one of a further setting
END = 1000.0  # of the scale; what lies beyond is a triangle at the end


def forest(topics: Mapping[str, Sequence[Verdict]], path: Path) -> str:
    """Draw a row for each claim, under the name of its topic; return the caption.

    The mark is the claim's effect divided by the smallest one that matters, the line the interval
    that decides, the colour the verdict. Marks of counts, which are exact, are square, and those
    of further settings are smaller, below the first. A claim without runs, or for which every
    effect matters, has a row without a mark. Nothing is drawn, and the caption is empty, if no
    claim has a mark.
    """
    if not any(_is_drawn(verdict) for verdicts in topics.values() for verdict in verdicts):
        return ""
    rows = sum(1 + len(_first(verdicts)) for verdicts in topics.values())
    with canvas(path, 11, 1 + ROW_INCHES * rows) as figure:
        axes = figure.add_subplot()
        labels: list[str] = []
        for topic, verdicts in topics.items():
            labels.append(topic)
            for verdict in _first(verdicts):
                further = [v for v in verdicts if _row(v) == _row(verdict) and v is not verdict]
                _draw(axes, verdict, len(labels))
                for place, other in enumerate(further, 1):
                    _draw(axes, other, len(labels) + 0.4 * place / len(further), FURTHER_SHARE)
                statement = verdict.claim.statement
                shown = textwrap.shorten(statement, LABEL_CHARACTERS, placeholder=" …")
                labels.append(f"{shown}  {verdict.claim.id}")
        _label(axes, labels, set(topics))
    smaller = any("/" in v.study for verdicts in topics.values() for v in verdicts)
    return (
        "Every claim's effect divided by the smallest one that matters, with the interval that "
        "decides: supported to the right of the grey band, refuted to the left of its right end, "
        "inconclusive across it, or without a premise; squares are counts, which are exact, "
        "triangles lie beyond the scale, and within the grey band no effect matters"
        + "; smaller marks are further settings"
        * smaller
    )


def _row(verdict: Verdict) -> tuple[str, str]:
    """Return what the verdicts on a claim in all settings have in common."""
    return verdict.study.partition("/")[0], verdict.claim.id


def _first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """Return the verdict in its first setting on each claim."""
    return list({_row(verdict): verdict for verdict in reversed(verdicts)}.values())[::-1]


def _is_drawn(verdict: Verdict) -> bool:
    return verdict.effect is not None and verdict.claim.matters > 0


def _draw(axes: Axes, verdict: Verdict, y: float, size: float = 1.0) -> None:
    """Draw the mark and the interval of a claim at height `y`."""
    effect, matters = verdict.effect, verdict.claim.matters
    if effect is None or not _is_drawn(verdict):
        return
    colour = COLOURS.get(verdict.word, OTHER_COLOUR)
    mean, *ends = (v / matters for v in (effect.value, *verdict.interval))
    if not verdict.exact:
        axes.plot(
            np.clip(ends, -END, END), (y, y), color=colour, linestyle="-", linewidth=1.4 * size
        )
    marker = "s" if verdict.exact else "o"
    if abs(mean) > END:
        marker = ">" if mean > 0 else "<"
    place = np.clip(mean, -END, END)
    axes.plot(place, y, marker, color=colour, markersize=4.5 * size, clip_on=False)


def _label(axes: Axes, labels: Sequence[str], topics: set[str]) -> None:
    """Name the rows, draw the band and the scale, and explain the colours."""
    axes.set_yticks(range(len(labels)), labels, fontsize=7.5)
    for tick in axes.get_yticklabels():
        if tick.get_text() in topics:
            tick.set_fontweight("bold")
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.axvspan(-1, 1, color="0.93", zorder=0)
    axes.axvline(0, color="0.3", linewidth=0.8)
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(-END, END)
    axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}".replace("-", "−")))
    axes.set_xlabel("effect for the claim ÷ smallest effect that matters")
    colours = {**COLOURS, "inconclusive or premise unmet": OTHER_COLOUR}
    marks = [Line2D([], [], marker="o", linestyle="", color=c, label=w) for w, c in colours.items()]
    axes.legend(handles=marks, loc="lower left", bbox_to_anchor=(0, 1), ncols=len(marks))
