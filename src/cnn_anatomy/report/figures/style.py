"""How variants look: an axis of the study has its colour, another its line style, a third its mark.

A variant looks the same in all figures of its study.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from matplotlib.artist import Artist
from matplotlib.lines import Line2D

COLOURS = (  # of Okabe & Ito (2008) and one more: the colour-blind can tell them apart
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999933"),
)
LINES = ("-", "--", ":")
MARKERS = ("o", "^", "s", "D", "v", "P")
INK = "0.3"  # of what belongs to no variant
SEED: dict[str, Any] = {"alpha": 0.3, "linewidth": 0.5}  # a line of one seed
BAND: dict[str, Any] = {"alpha": 0.15, "linewidth": 0}  # an interval
DOT: dict[str, Any] = {"alpha": 0.35, "markersize": 4, "markeredgewidth": 0}  # of one seed
LABEL_POINTS = 8  # the size of a line's name


@dataclass(frozen=True)
class Look:
    """The colour, the line style and the marker of a variant; a broken line has hollow markers."""

    colour: str
    line: str = "-"
    marker: str = "o"

    @property
    def mark(self) -> dict[str, Any]:
        """Return the keywords of a marker without line."""
        face = self.colour if self.line == "-" else "white"
        return {
            "color": self.colour,
            "marker": self.marker,
            "markerfacecolor": face,
            "linestyle": "",
        }

    @property
    def curve(self) -> dict[str, Any]:
        """Return the keywords of a line with markers."""
        return {**self.mark, "linestyle": self.line, "markersize": 4}


class Encoding:
    """The looks of variants, or of other lines of a figure.

    Of two or three axes that vary, the one with the most values has the colours, the next the line
    styles and, if there is a third, that one the markers. A single axis has all three. So have
    the variants themselves if there are more axes, or more values than styles.

    Args:
        labels: for each variant the value of every axis.
    """

    def __init__(self, labels: Mapping[str, Mapping[str, str]]) -> None:
        axes = {axis: dict.fromkeys(v[axis] for v in labels.values()) for axis in _axes(labels)}
        varying = sorted((a for a in axes if len(axes[a]) > 1), key=lambda a: -len(axes[a]))
        rooms = [COLOURS, LINES, MARKERS] if len(varying) > 1 else [labels]
        fits = len(varying) <= len(rooms) and all(
            len(axes[axis]) <= len(room) for axis, room in zip(varying, rooms, strict=False)
        )
        places = {
            variant: tuple(list(axes[axis]).index(values[axis]) for axis in varying)
            for variant, values in labels.items()
        }
        if varying and fits and len(set(places.values())) == len(labels):
            self.axes = {axis: list(axes[axis]) for axis in varying}
            self._places = places
        else:
            self.axes = {"": list(labels)}
            self._places = {variant: (i,) for i, variant in enumerate(labels)}

    @classmethod
    def of_lines(cls, names: Collection[str]) -> Encoding:
        """Return the looks of lines that have nothing but a name."""
        return cls({name: {"": name} for name in names})

    @property
    def is_single(self) -> bool:
        """Return whether each variant has a colour of its own."""
        return len(self.axes) == 1

    def name(self, variant: str) -> str:
        """Return the single axis and the variant's value on it, or the variant's own name."""
        (axis, values), *others = self.axes.items()
        if others or axis in ("", "variant"):
            return variant
        return f"{axis.rpartition('.')[2]}={values[self._places[variant][0]]}"

    def look(self, variant: str) -> Look:
        """Return the look of a variant."""
        place = self._places[variant]
        if self.is_single:
            return _single(place[0])
        return Look(COLOURS[place[0]], LINES[place[1]], MARKERS[place[-1]])

    def legend(self, shown: Collection[str]) -> Iterator[tuple[Artist | None, str]]:
        """Yield every axis (with None) and its values that are among the variants `shown`."""
        for dimension, (axis, values) in enumerate(self.axes.items()):
            used = sorted({self._places[variant][dimension] for variant in shown})
            if axis:
                yield None, axis
            for i in used:
                yield self._sample(dimension, i), values[i]

    def _sample(self, dimension: int, i: int) -> Artist:
        """Return a line or marker that shows the i-th value of an axis, and no other axis."""
        if self.is_single:
            return Line2D([], [], **_single(i).curve)
        if dimension == 0:
            return Line2D([], [], color=COLOURS[i], linewidth=4)
        if dimension == 1:
            marker = MARKERS[i] if len(self.axes) == 2 else "o"
            return Line2D([], [], **Look(INK, LINES[i], marker).curve)
        return Line2D([], [], **Look(INK, "-", MARKERS[i]).mark)


def _axes(labels: Mapping[str, Mapping[str, str]]) -> list[str]:
    return list(next(iter(labels.values()), {}))


def _single(i: int) -> Look:
    """Return the i-th of looks that differ in colour first, then in line style."""
    line = LINES[i // len(COLOURS) % len(LINES)]
    return Look(COLOURS[i % len(COLOURS)], line, MARKERS[i % len(MARKERS)])
