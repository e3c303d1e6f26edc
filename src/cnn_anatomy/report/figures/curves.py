"""Accuracy by epoch, object size, shift and distortion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from cnn_anatomy.report.figures.canvas import band, canvas, legend
from cnn_anatomy.results.artifacts import Evidence


def learning_curves(
    evidence: Evidence, path: Path, *, variants: Sequence[str] | None = None
) -> str:
    """Draw training and validation accuracy after every epoch."""
    finished = evidence.variants(variants)
    if not finished:
        return ""
    with canvas(path, 9.5, 3.4) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, split, title in zip(
            panels, ("train", "val"), ("training, augmented", "validation"), strict=True
        ):
            for variant in finished:
                curves = []
                for run in evidence.runs(variant).run_id:
                    curve = 100 * evidence.history(run, f"{split}/accuracy")
                    curves.append(curve.set_axis(range(1, len(curve) + 1)))
                if any(len(curve) for curve in curves):
                    band(axes, curves, variant)
            axes.set_title(title)
            axes.set_xlabel("epoch")
        panels[0].set_ylabel("accuracy (%)")
        legend(panels[1])
    return "Training and validation accuracy after every epoch: mean and 95 % interval"


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
    frames = _frames(evidence, "object_size.parquet", variants)
    whole = {v: [f[f.knockout == "none"] for f in seeds] for v, seeds in frames.items()}
    if not knockouts:
        if whole:
            _draw_sizes(whole, path)
        return "Test accuracy by object size: mean and 95 % interval" if whole else ""
    for variant, seeds in frames.items():
        branches = [b for b in dict.fromkeys(seeds[0].knockout) if b != "none"]
        if branches:
            without = {f"without {b}": [f[f.knockout == b] for f in seeds] for b in branches}
            _draw_sizes({"whole network": whole[variant], **without}, path)
            return f"Test accuracy of {variant} by object size, whole and without each branch"
    return ""


def _draw_sizes(lines: Mapping[str, Sequence[pd.DataFrame]], path: Path) -> None:
    """Draw a line for each label, from a data frame per seed with a row per bin of sizes."""
    with canvas(path, 7, 3.2) as figure:
        axes = figure.add_subplot()
        for label, frames in lines.items():
            curves = [100 * f.set_index((f.size_low + f.size_high) / 2).accuracy for f in frames]
            band(axes, curves, label)
        bins = next(iter(lines.values()))[0]
        axes.set_xticks(
            (bins.size_low + bins.size_high) / 2,
            [f"{a:g}–{b:g}" for a, b in zip(bins.size_low, bins.size_high, strict=True)],
        )
        axes.set_xlabel("size of the object (pixels)")
        axes.set_ylabel("test accuracy (%)")
        legend(axes)


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
    shifts = _frames(evidence, "shift.parquet", variants)
    if not shifts:
        return ""
    with canvas(path, 7, 3.2) as figure:
        axes = figure.add_subplot()
        for variant, frames in shifts.items():
            band(axes, [100 * f.set_index("shift")[measure] for f in frames], variant)
        axes.set_xlabel("shift (pixels)")
        axes.set_ylabel("consistency (%)")
        legend(axes)
    given = ", among correctly classified ones" if measure == "given_correct" else ""
    return f"Share of test images whose prediction survives a shift{given}: mean and 95 % interval"


def robustness(evidence: Evidence, path: Path, *, variants: Sequence[str] | None = None) -> str:
    """Draw accuracy on distorted test images, a panel per kind of distortion.

    Reads robustness.parquet: kind, level, accuracy.
    """
    tests = _frames(evidence, "robustness.parquet", variants)
    if not tests:
        return ""
    kinds = list(dict.fromkeys(k for frames in tests.values() for f in frames for k in f.kind))
    with canvas(path, 2 + 2.8 * len(kinds), 3.2) as figure:
        panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
        for axes, kind in zip(panels, kinds, strict=True):
            for variant, frames in tests.items():
                curves = [
                    100 * f[f.kind == kind].set_index("level").accuracy
                    for f in frames
                    if (f.kind == kind).any()
                ]
                if curves:
                    band(axes, curves, variant)
            axes.set_title(kind)
            axes.set_xlabel("level")
        panels[0].set_ylabel("test accuracy (%)")
        legend(panels[-1])
    return "Test accuracy under distortions absent from training: mean and 95 % interval"


def _frames(
    evidence: Evidence, name: str, variants: Sequence[str] | None
) -> dict[str, list[pd.DataFrame]]:
    """Return an artifact's data frames, one per seed, of each variant that has any."""
    artifacts = {v: evidence.frames(v, name) for v in evidence.variants(variants)}
    return {v: frames for v, frames in artifacts.items() if frames}
