"""Creating and saving figures."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from cnn_anatomy.core.atomic import atomic_write

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
