"""The data of the explorer: every study's means, seeds and curves, as the page's script reads them.

All numbers are in the unit in which tables print them, and all statistics are computed here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from cnn_anatomy.report.latex import escape_latex
from cnn_anatomy.report.study_page import StudyPage
from cnn_anatomy.report.table import Cell, row_label
from cnn_anatomy.results.artifacts import HISTORIES, Evidence
from cnn_anatomy.results.metrics import Metric, metric
from cnn_anatomy.results.run_files import KeptFiles
from cnn_anatomy.results.statistics import Summary, summarise

DIGITS = 5  # of a number in a figure
Json = dict[str, Any]


def explorer_data(pages: Sequence[StudyPage]) -> str:
    """Return the data of all studies as JSON."""
    studies = [_study(page) for page in pages]
    return json.dumps(studies, ensure_ascii=False, allow_nan=False, separators=(",", ":"))


def _study(page: StudyPage) -> Json:
    evidence = Evidence(page.study, page.sweep, KeptFiles(page.folder))
    names = [name for name in page.study.metrics if f"metrics.{name}" in page.sweep.runs]
    return {
        "name": page.study.name,
        "question": page.study.question,
        "axes": list(page.study.table.rows),
        "metrics": [_head(name) for name in names],
        "curves": [_head(name) for name in HISTORIES],
        "variants": [_variant(evidence, variant, names) for variant in page.sweep.variants],
    }


def _head(name: str) -> Json:
    label = metric(name).label
    return {"name": name, "label": label, "tex": escape_latex(label)}


def _variant(evidence: Evidence, variant: str, names: Iterable[str]) -> Json:
    runs = evidence.sweep.runs
    planned = runs[runs.variant == variant]
    labels = [row_label(planned, axis) for axis in evidence.study.table.rows]
    return {
        "name": variant,
        "labels": labels,
        "tex": list(map(escape_latex, labels)),
        "n": len(evidence.runs(variant)),
        "cells": {name: _cell(evidence.values(variant, name), metric(name)) for name in names},
        "curves": {name: _curve(evidence, variant, name) for name in HISTORIES},
    }


def _cell(values: pd.Series, kind: Metric) -> Json:
    text = Cell(kind, values).text
    return {
        "text": text,
        "tex": escape_latex(text),
        **_numbers(summarise(values), kind.scale),
        "seeds": _rounded(kind.scale * values),
    }


def _curve(evidence: Evidence, variant: str, name: str) -> Json:
    """Return mean, interval and seeds of a metric after every epoch."""
    runs = evidence.runs(variant).run_id
    histories = [evidence.history(run, name).reset_index(drop=True) for run in runs]
    table = pd.concat(histories, axis=1) if histories else pd.DataFrame()
    scale = metric(name).scale
    return {
        "epochs": [_numbers(summarise(row), scale) for _, row in table.iterrows()],
        "seeds": [_rounded(scale * history) for history in histories],
    }


def _numbers(summary: Summary | None, scale: float) -> Json:
    """Return mean and interval; null where there is none."""
    if summary is None:
        return {"mean": None, "low": None, "high": None}
    ends = _rounded(np.array([summary.mean, summary.low, summary.high]) * scale)
    return dict(zip(("mean", "low", "high"), ends, strict=True))


def _rounded(values: Iterable[float]) -> list[float | None]:
    return [float(f"{v:.{DIGITS}g}") if np.isfinite(v) else None for v in values]
