"""Accuracy by epoch, object size, shift and distortion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cnn_anatomy.report.figures.canvas import canvas
from cnn_anatomy.report.figures.lines import (
    Curves,
    draw_lines,
    limit_percentages,
    name_lines,
    whole_ticks,
)
from cnn_anatomy.report.figures.style import Encoding
from cnn_anatomy.report.figures.variants import curves_by_variant, study_encoding
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.convergence import convergence, convergence_sentence

AXES = {  # by kind of distortion: the label of its level, and the level that changes nothing
    "scale": ("magnification (×)", 1.0),
    "noise": ("noise, standard deviation (of 255)", 0.0),
}
INTERVAL = "each seed, the mean and its 95 % interval"


def learning_curves(
    evidence: Evidence, path: Path, *, variants: Sequence[str] | None = None
) -> str:
    """Draw training and validation accuracy after every epoch, and say what still improved."""
    finished = evidence.variants(variants)
    if not finished:
        return ""
    encoding = study_encoding(evidence)
    with canvas(path, 9.5, 3.6) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        ends = {}
        for axes, split, title in zip(
            panels, ("train", "val"), ("training, augmented", "validation"), strict=True
        ):
            histories = _histories(evidence, finished, f"{split}/accuracy", 100)
            ends = draw_lines(axes, encoding, histories)
            whole_ticks(axes)
            axes.set_title(title)
            axes.set_xlabel("epoch")
        panels[0].set_ylabel("accuracy (%)")
        limit_percentages(panels[0])
        name_lines(figure, panels[-1], encoding, ends)
    validation = _histories(evidence, finished, "val/accuracy")
    found = {v: c for v, h in validation.items() if (c := convergence(h)) is not None}
    shown = f"Training and validation accuracy after every epoch: {INTERVAL}"
    return "; ".join(filter(None, [shown, convergence_sentence(found)]))


def _histories(
    evidence: Evidence, variants: Sequence[str], name: str, factor: float = 1.0
) -> dict[str, list[pd.Series]]:
    """Return a metric, times `factor`, by epoch for every seed of every variant."""
    return {
        variant: [
            factor * by_epoch(evidence.history(run, name)) for run in evidence.runs(variant).run_id
        ]
        for variant in variants
    }


def by_epoch(history: pd.Series) -> pd.Series:
    """Return the values of a metric logged once an epoch, by epoch from 1."""
    return history.set_axis(range(1, len(history) + 1))


def by_size(
    evidence: Evidence,
    path: Path,
    *,
    variants: Sequence[str] | None = None,
    knockouts: bool = False,
) -> str:
    """Draw accuracy by the object's size in a line per variant.

    With `knockouts`, draw a line per knocked-out branch of the first variant that has some.
    Reads object_size.parquet: knockout (`none` or a branch), size_low, size_high
    (pixels), n, accuracy.
    """
    frames = evidence.frames_by_variant("object_size.parquet", variants)
    whole = {v: [f[f.knockout == "none"] for f in seeds.values()] for v, seeds in frames.items()}
    if not knockouts:
        if whole:
            _draw_sizes(whole, study_encoding(evidence), path)
        return f"Test accuracy by object size: {INTERVAL}" if whole else ""
    for variant, by_seed in frames.items():
        seeds = list(by_seed.values())
        branches = [b for b in dict.fromkeys(seeds[0].knockout) if b != "none"]
        if branches:
            without = {f"without {b}": [f[f.knockout == b] for f in seeds] for b in branches}
            lines = {"whole network": whole[variant], **without}
            _draw_sizes(lines, Encoding.of_lines(lines), path)
            return (
                f"Test accuracy of {variant} by object size, whole and without each branch: "
                f"{INTERVAL}"
            )
    return ""


def _draw_sizes(
    lines: Mapping[str, Sequence[pd.DataFrame]], encoding: Encoding, path: Path
) -> None:
    """Draw a line for each label, from a data frame per seed with a row per bin of sizes."""
    curves: dict[str, Curves] = {
        label: [100 * f.set_index((f.size_low + f.size_high) / 2).accuracy for f in frames]
        for label, frames in lines.items()
    }
    with canvas(path, 7, 3.4) as figure:
        axes = figure.add_subplot()
        ends = draw_lines(axes, encoding, curves)
        bins = next(iter(lines.values()))[0]
        axes.set_xticks(
            (bins.size_low + bins.size_high) / 2,
            [f"{a:g}–{b:g}" for a, b in zip(bins.size_low, bins.size_high, strict=True)],
        )
        axes.set_xlabel("size of the object (pixels)")
        axes.set_ylabel("test accuracy (%)")
        limit_percentages(axes)
        name_lines(figure, axes, encoding, ends)


def shift_curve(
    evidence: Evidence,
    path: Path,
    *,
    variants: Sequence[str] | None = None,
    measure: str = "consistency",
) -> str:
    """Draw how often a prediction stays the same when the image is shifted, by pixels of shift.

    Reads shift.parquet: shift (pixels), and consistency and given_correct, one of which is
    `measure`.
    """
    shifts = evidence.frames_by_variant("shift.parquet", variants)
    if not shifts:
        return ""
    encoding = study_encoding(evidence)
    with canvas(path, 7, 3.4) as figure:
        axes = figure.add_subplot()
        ends = draw_lines(axes, encoding, curves_by_variant(shifts, "shift", measure, 100))
        whole_ticks(axes)
        axes.set_xlabel("shift (pixels)")
        axes.set_ylabel("consistency (%)")
        limit_percentages(axes)
        name_lines(figure, axes, encoding, ends)
    given = ", among correctly classified ones" if measure == "given_correct" else ""
    return f"Share of test images whose prediction survives a shift{given}: {INTERVAL}"


def robustness(evidence: Evidence, path: Path, *, variants: Sequence[str] | None = None) -> str:
    """Draw accuracy on distorted test images, a panel per kind, with the level that is none.

    Reads robustness.parquet: kind, level, accuracy.
    """
    tests = evidence.frames_by_variant("robustness.parquet", variants)
    if not tests:
        return ""
    kinds = dict.fromkeys(k for seeds in tests.values() for f in seeds.values() for k in f.kind)
    encoding = study_encoding(evidence)
    with canvas(path, 2 + 3.2 * len(kinds), 3.4) as figure:
        panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
        ends = {}
        for axes, kind in zip(panels, kinds, strict=True):
            curves = {v: _distorted(evidence, v, seeds, kind) for v, seeds in tests.items()}
            ends = draw_lines(axes, encoding, curves)
            axes.set_xlabel(AXES[kind][0] if kind in AXES else f"{kind}, level")
        panels[0].set_ylabel("test accuracy (%)")
        limit_percentages(panels[0])
        name_lines(figure, panels[-1], encoding, ends)
    return (
        "Test accuracy under distortions absent from training, and on clean images (magnification "
        f"1, noise 0): {INTERVAL}"
    )


def _distorted(
    evidence: Evidence, variant: str, seeds: Mapping[int, pd.DataFrame], kind: str
) -> list[pd.Series]:
    """Return the accuracy (%) by level of every seed, with that on clean images."""
    clean = evidence.values(variant, "test/accuracy")
    curves = []
    for seed, frame in seeds.items():
        curve = frame[frame.kind == kind].set_index("level").accuracy
        if kind in AXES and seed in clean.index:
            curve = pd.concat([curve, pd.Series({AXES[kind][1]: clean[seed]})])
            curve = curve[~curve.index.duplicated()].sort_index()
        curves.append(100 * curve)
    return curves
