"""The figures that a study's file may ask for, by name.

A figure is a function of the evidence, the path to write without suffix, and keyword settings. It
writes PNG and SVG and returns a caption; it returns "" and writes nothing if no run has its data.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.report.figures.accuracy import accuracy, cost
from cnn_anatomy.report.figures.cam import cam
from cnn_anatomy.report.figures.curves import by_size, learning_curves, robustness, shift_curve
from cnn_anatomy.report.figures.dose import decay_by_depth, dose, frozen
from cnn_anatomy.report.figures.gradients import before_after, gradients, heatmap
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.studies.study import Study

FIGURES: dict[str, Callable[..., str]] = {
    figure.__name__: figure
    for figure in (
        accuracy,
        gradients,
        before_after,
        heatmap,
        decay_by_depth,
        cost,
        learning_curves,
        by_size,
        shift_curve,
        robustness,
        frozen,
        dose,
        cam,
    )
}


class DrawnFigure(NamedTuple):
    """A figure's file name without suffix, and its caption without full stop."""

    file: str
    caption: str


def check_figures(study: Study) -> None:
    """Check that every figure of a study exists and accepts its settings.

    Raises:
        ConfigError: if not, naming the choices.
    """
    variants = [run.variant for run in study.runs([0])]
    for figure in study.figures:
        name, settings = figure.name, figure.settings
        if name not in FIGURES:
            raise ConfigError(
                f"{study.name}: figures={name} is none of {', '.join(FIGURES)}"
                f"{did_you_mean(name, FIGURES)}"
            )
        _check_settings(f"{study.name}: figure {name}", settings, _required(FIGURES[name]))
        for variant in settings.get("variants") or ():
            if variant not in variants:
                raise ConfigError(
                    f"{study.name}: figure {name}: variant {variant} is none of "
                    f"{', '.join(variants)}{did_you_mean(str(variant), variants)}"
                )


def draw_figures(evidence: Evidence, folder: Path) -> list[DrawnFigure]:
    """Draw the study's figures for which the finished runs have data."""
    drawn: list[DrawnFigure] = []
    names = [figure.name for figure in evidence.study.figures]
    for i, figure in enumerate(evidence.study.figures):
        name, settings = figure.name, figure.settings
        repeats = names[:i].count(name)
        file = f"{name}-{repeats + 1}" if repeats else name
        caption = FIGURES[name](evidence, folder / file, **settings)
        if caption:
            drawn.append(DrawnFigure(file, caption))
    return drawn


def _required(figure: Callable[..., str]) -> dict[str, bool]:
    """Return for each setting of a figure whether it has no default."""
    return {
        p.name: p.default is p.empty
        for p in inspect.signature(figure).parameters.values()
        if p.kind is p.KEYWORD_ONLY
    }


def _check_settings(figure: str, settings: Mapping[str, Any], required: Mapping[str, bool]) -> None:
    for key in settings:
        if key not in required:
            raise ConfigError(
                f"{figure} takes {', '.join(required) or 'nothing'}, not {key}"
                f"{did_you_mean(key, required)}"
            )
    for key, is_required in required.items():
        if is_required and key not in settings:
            raise ConfigError(f"{figure} lacks the setting {key}")
