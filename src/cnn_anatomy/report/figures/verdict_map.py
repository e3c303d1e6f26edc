"""The map of verdicts: claims × settings."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.patches import Patch, Rectangle

from cnn_anatomy.report.figures.canvas import canvas
from cnn_anatomy.report.figures.forest import COLOURS, LABEL_CHARACTERS
from cnn_anatomy.results.across_settings import ClaimAcrossSettings
from cnn_anatomy.results.verdicts import INCONCLUSIVE, PREMISE_UNMET, Verdict

FILLS = {**COLOURS, INCONCLUSIVE: "0.6", PREMISE_UNMET: "0.85"}
ROW_INCHES = 0.26
COLUMN_INCHES = 1.1


def verdict_map(claims: Sequence[ClaimAcrossSettings], settings: Sequence[str], path: Path) -> str:
    """Draw a row for each claim, a column for each setting; return the caption.

    The colour is the verdict, the number the claim's effect divided by the smallest one that
    matters, but for counts. Where a claim was not judged, its cell is empty. Nothing is drawn, and
    the caption is empty, if no claim was judged in several settings.
    """
    if not claims:
        return ""
    width = 5.5 + COLUMN_INCHES * len(settings)
    with canvas(path, width, 1 + ROW_INCHES * len(claims)) as figure:
        axes = figure.add_subplot()
        for y, claim in enumerate(claims):
            for x, name in enumerate(settings):
                verdict = claim.by_setting.get(name)
                if verdict is not None and verdict.effect is not None:
                    _draw(axes, verdict, x, y)
        _label(axes, claims, settings)
    return (
        "Verdicts by setting: the colour is the verdict, the number the claim's effect divided by "
        "the smallest one that matters, but for counts; where a cell is empty, the claim was not "
        "judged"
    )


def _draw(axes: Axes, verdict: Verdict, x: int, y: int) -> None:
    """Draw the verdict's cell, and in it the effect in units of what matters."""
    fill = FILLS[verdict.word]
    axes.add_patch(Rectangle((x - 0.48, y - 0.44), 0.96, 0.88, color=fill, linewidth=0))
    effect, matters = verdict.effect, verdict.claim.matters
    if effect is not None and matters > 0 and not verdict.exact:
        ink = "white" if verdict.word in COLOURS else "black"
        text = f"{effect.value / matters:.3g}".replace("-", "−")
        axes.text(x, y, text, color=ink, ha="center", va="center", fontsize=8)


def _label(axes: Axes, claims: Sequence[ClaimAcrossSettings], settings: Sequence[str]) -> None:
    """Name rows and columns, and explain the colours."""
    labels = [
        f"{textwrap.shorten(c.claim.statement, LABEL_CHARACTERS, placeholder=' …')}  {c.claim.id}"
        for c in claims
    ]
    axes.set_yticks(range(len(labels)), labels, fontsize=7.5)
    axes.set_xticks(range(len(settings)), settings)
    axes.tick_params(length=0, labeltop=True, labelbottom=False)
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.set_xlim(-0.5, len(settings) - 0.5)
    axes.set_ylim(len(labels) - 0.5, -0.5)
    axes.legend(
        handles=[Patch(color=fill, label=word) for word, fill in FILLS.items()],
        loc="upper right",
        bbox_to_anchor=(1, -0.02),
        ncols=len(FILLS),
    )
