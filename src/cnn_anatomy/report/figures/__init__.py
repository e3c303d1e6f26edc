"""Figures by the name that a study's file gives them.

A figure is a function of the evidence, the file to write (without suffix) and its settings; it
writes PNG and SVG and returns a caption, or nothing where no run has what it shows.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from pathlib import Path

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.report.figures.accuracy import accuracy, cost, frozen
from cnn_anatomy.report.figures.cam import cam
from cnn_anatomy.report.figures.curves import by_size, learning_curves, robustness, shift_curve
from cnn_anatomy.report.figures.gradients import decay_by_depth, gradients, heatmap
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.studies.study import Study

FIGURES: dict[str, Callable[..., str]] = {
    figure.__name__: figure
    for figure in (
        accuracy,
        gradients,
        heatmap,
        decay_by_depth,
        cost,
        learning_curves,
        by_size,
        shift_curve,
        robustness,
        frozen,
        cam,
    )
}


def check(study: Study) -> None:
    """Check that every figure of a study exists and takes its settings.

    Raises:
        ConfigError: if not, naming the choices.
    """
    known = [run.variant for run in study.runs([0])]
    for figure in study.figures:
        name, settings = figure.name, figure.settings
        if name not in FIGURES:
            raise ConfigError(
                f"{study.name}: figures={name} is none of {', '.join(FIGURES)}"
                f"{did_you_mean(name, FIGURES)}"
            )
        taken = {
            p.name: p.default is p.empty
            for p in inspect.signature(FIGURES[name]).parameters.values()
            if p.kind is p.KEYWORD_ONLY
        }
        for key in settings:
            if key not in taken:
                choices = ", ".join(taken) or "nothing"
                raise ConfigError(
                    f"{study.name}: figure {name} takes {choices}, not {key}"
                    f"{did_you_mean(key, taken)}"
                )
        for key in (key for key, needed in taken.items() if needed and key not in settings):
            raise ConfigError(f"{study.name}: figure {name} lacks the setting {key}")
        for variant in settings.get("variants") or ():
            if variant not in known:
                raise ConfigError(
                    f"{study.name}: figure {name}: variant {variant} is none of "
                    f"{', '.join(known)}{did_you_mean(str(variant), known)}"
                )


def draw(evidence: Evidence, folder: Path) -> list[tuple[str, str]]:
    """Draw what the finished runs allow; return name (without suffix) and caption of each."""
    drawn: list[tuple[str, str]] = []
    names: Sequence[str] = [figure.name for figure in evidence.study.figures]
    for i, figure in enumerate(evidence.study.figures):
        nth = names[:i].count(figure.name)
        file = f"{figure.name}-{nth + 1}" if nth else figure.name
        caption = FIGURES[figure.name](evidence, folder / file, **figure.settings)
        if caption:
            drawn.append((file, caption))
    return drawn
