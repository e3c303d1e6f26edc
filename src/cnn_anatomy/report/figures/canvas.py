"""Creating and saving figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from io import StringIO
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cnn_anatomy.core.atomic import atomic_write, write_text
from cnn_anatomy.report.figures.svg import compact_svg

STYLE = Path(__file__).parents[1] / "paper.mplstyle"


FORMATS: ContextVar[tuple[str, ...]] = ContextVar("FORMATS", default=("png", "svg"))
SVG_DPI = 100  # of images within a figure, about as many as a screen shows
METADATA = {"pdf": {"CreationDate": None}}  # same runs, same bytes


@contextmanager
def written_as(*formats: str) -> Iterator[None]:
    """Write the figures of the block in `formats` in place of PNG and SVG."""
    token = FORMATS.set(formats)
    try:
        yield
    finally:
        FORMATS.reset(token)


@contextmanager
def canvas(path: Path, width: float, height: float) -> Iterator[Figure]:
    """Yield a figure of `width` by `height` inches, then save it as path.png and path.svg."""
    with rc_context(fname=STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        for kind in FORMATS.get():
            _save(figure, path.with_suffix(f".{kind}"), kind)


def _save(figure: Figure, file: Path, kind: str) -> None:
    if kind == "svg":
        svg = StringIO()
        figure.savefig(svg, format=kind, dpi=SVG_DPI)
        write_text(file, compact_svg(svg.getvalue()))
    else:
        with atomic_write(file) as part:
            figure.savefig(part, format=kind, metadata=METADATA.get(kind))
