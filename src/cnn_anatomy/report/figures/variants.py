"""The axes and names of a study's variants, as its figures show them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

from cnn_anatomy.report.figures.style import Encoding
from cnn_anatomy.report.table import row_label
from cnn_anatomy.results.artifacts import Evidence


def study_encoding(evidence: Evidence) -> Encoding:
    """Return the looks of all variants, whose axes are the columns that name the table's rows."""
    rows, runs = evidence.study.table.rows, evidence.sweep.runs
    planned = {v: runs[runs.variant == v] for v in evidence.sweep.variants}
    return Encoding({v: {r: row_label(p, r) for r in rows} for v, p in planned.items()})


def families(evidence: Evidence, param: str) -> dict[str, tuple[str, Mapping[str, str]]]:
    """Return each variant's family: its name, and the value of every axis other than `param`.

    Axes are the columns that name the table's rows or, where those are the variants themselves, the
    keys of the variants' overrides.
    """
    overrides = {
        variant: dict(word.split("=", 1) for word in words if "=" in word)
        for variant, words in evidence.study.overrides_by_variant.items()
    }
    rows = [row for row in evidence.study.table.rows if row != "variant"]
    axes = rows or list(dict.fromkeys(key for words in overrides.values() for key in words))
    runs = evidence.sweep.runs
    found: dict[str, tuple[str, Mapping[str, str]]] = {}
    for variant in evidence.sweep.variants:
        planned = runs[runs.variant == variant]
        values = {axis: row_label(planned, axis) for axis in axes if axis != param}
        found[variant] = ", ".join(f"{axis}={value}" for axis, value in values.items()), values
    return found


def short_names(variants: Sequence[str]) -> dict[str, str]:
    """Return each variant's name without the words that all of them share."""
    words = {variant: variant.split() for variant in variants}
    shared = set.intersection(*map(set, words.values())) if len(words) > 1 else set()
    return {v: " ".join(w for w in words[v] if w not in shared) or v for v in variants}


def curves_by_variant(
    frames: Mapping[str, Mapping[int, pd.DataFrame]], x: str, y: str, factor: float = 1.0
) -> dict[str, list[pd.Series]]:
    """Return column `y`, times `factor`, against column `x` for every seed of every variant."""
    return {
        variant: [factor * frame.set_index(x)[y] for frame in seeds.values()]
        for variant, seeds in frames.items()
    }
