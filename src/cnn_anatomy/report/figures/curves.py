"""Accuracy over epochs, sizes, shifts and changes that training did not show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cnn_anatomy.report.figures.canvas import band, canvas, legend
from cnn_anatomy.results.artifacts import Evidence


def learning_curves(
    evidence: Evidence, path: Path, *, variants: Sequence[str] | None = None
) -> str:
    """Draw training and validation accuracy after every epoch."""
    shown = evidence.variants(variants)
    if not shown:
        return ""
    with canvas(path, 9.5, 3.4) as figure:
        panels = figure.subplots(1, 2, sharey=True)
        for axes, split, title in zip(
            panels, ("train", "val"), ("training, augmented", "validation"), strict=True
        ):
            for variant in shown:
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
    return "Accuracy after every epoch, in training and on validation: mean and 95 % interval"


def by_size(
    evidence: Evidence,
    path: Path,
    *,
    variants: Sequence[str] | None = None,
    knockouts: bool = False,
) -> str:
    """Draw accuracy by the object's size: a line a variant, or of one a line a knocked-out branch.

    From object_size.parquet: knockout (`none` or a branch), size_low and size_high (pixels), n,
    accuracy.
    """
    found = _frames(evidence, "object_size.parquet", variants)
    whose = ""
    if knockouts:
        found = {v: f for v, f in found.items() if any(x.knockout.ne("none").any() for x in f)}
        if not found:
            return ""
        whose, frames = next(iter(found.items()))
        lines = {
            "whole network" if name == "none" else f"without {name}": [
                f[f.knockout == name] for f in frames
            ]
            for name in dict.fromkeys(frames[0].knockout)
        }
    else:
        lines = {v: [f[f.knockout == "none"] for f in frames] for v, frames in found.items()}
    if not lines:
        return ""
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
    if knockouts:
        return f"Test accuracy of {whose} by object size, whole and with each branch knocked out"
    return "Test accuracy by object size: mean and 95 % interval"


def shift_curve(
    evidence: Evidence,
    path: Path,
    *,
    variants: Sequence[str] | None = None,
    measure: str = "consistency",
) -> str:
    """Draw how often a prediction survives a shift, by its size.

    From shift.parquet: shift (pixels), consistency, given_correct (the second `measure`).
    """
    found = _frames(evidence, "shift.parquet", variants)
    if not found:
        return ""
    with canvas(path, 7, 3.2) as figure:
        axes = figure.add_subplot()
        for variant, frames in found.items():
            band(axes, [100 * f.set_index("shift")[measure] for f in frames], variant)
        axes.set_xlabel("shift (pixels)")
        axes.set_ylabel("consistency (%)")
        legend(axes)
    given = " where the unshifted one is right" if measure == "given_correct" else ""
    return (
        "Share of test images whose prediction a shift does not change"
        f"{given}: mean and 95 % interval"
    )


def robustness(evidence: Evidence, path: Path, *, variants: Sequence[str] | None = None) -> str:
    """Draw accuracy under changes unseen in training, a panel for each kind.

    From robustness.parquet: kind, level, accuracy.
    """
    found = _frames(evidence, "robustness.parquet", variants)
    if not found:
        return ""
    kinds = list(dict.fromkeys(k for frames in found.values() for f in frames for k in f.kind))
    with canvas(path, 2 + 2.8 * len(kinds), 3.2) as figure:
        panels = figure.subplots(1, len(kinds), sharey=True, squeeze=False)[0]
        for axes, kind in zip(panels, kinds, strict=True):
            for variant, frames in found.items():
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
    return "Test accuracy under changes that training did not show: mean and 95 % interval"


def _frames(
    evidence: Evidence, name: str, variants: Sequence[str] | None
) -> dict[str, list[pd.DataFrame]]:
    found = {v: evidence.frames(v, name) for v in evidence.variants(variants)}
    return {v: frames for v, frames in found.items() if frames}
