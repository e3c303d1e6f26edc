"""A study's table and its printed forms, for metrics with known means and intervals."""

import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.report import render
from cnn_anatomy.report.table import build_study_table
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.study import Study, Table

ACCURACY = {"max": [0.80, 0.82, 0.84], "avg": [0.70, 0.72, 0.74], "none": [0.5, np.nan, 0.6]}


@pytest.fixture
def table():
    """Return a table of three poolings, one of whose runs failed and one of which never began."""
    rows = []
    for pooling, values in ACCURACY.items():
        for seed, value in enumerate(values):
            row = {
                "variant": f"pooling={pooling}",
                "seed": seed,
                "overrides": [f"pooling={pooling}"],
                "status": "FINISHED" if np.isfinite(value) else "FAILED",
            }
            if np.isfinite(value):
                row |= {
                    "params.pooling": pooling,
                    "metrics.test/accuracy": value,
                    "metrics.macs": 6.5e6,
                    "metrics.gradient/decay": -seed / 10,
                }
            rows.append(row)
    rows.append(
        {"variant": "pooling=lp", "seed": 0, "overrides": ["pooling=lp"], "status": "MISSING"}
    )
    for row in rows:
        if row["variant"] == "pooling=none" and "metrics.macs" in row:
            row["metrics.macs"] = 43e6
    columns = Table(
        rows=("pooling",),
        metrics=("test/accuracy", "gradient/decay", "macs"),
        baseline="pooling=avg",
    )
    study = Study(
        name="s",
        question="Is 50 % of A & B #1?",
        reading="",
        grid={"pooling": tuple(ACCURACY)},
        table=columns,
    )
    return build_study_table(study, Sweep("s", "parent", pd.DataFrame(rows)))


def test_markdown(table):
    assert render.to_markdown(table).splitlines()[2:] == [
        "| max | **82.0 ± 5.0** | +10.0 ± 4.5 | −0.10 ± 0.25 | **6.50** | 3 |",
        "| avg | 72.0 ± 5.0 | – | −0.10 ± 0.25 | **6.50** | 3 |",
        "| none | 55.0 ± 63.5 | −17.0 ± 52.0 | −0.10 ± 1.27 | 43.00† | 2 of 3 |",
        "| lp | – | – | – | – | 0 of 1 |",
    ]
    assert table.header == [
        *("pooling", "test accuracy (%)", "Δ", "gradient decay (decades)", "MACs (10⁶)", "n"),
    ]
    for part in (
        "bold: best",
        "Δ: difference from pooling=avg",
        "†: a budget over 10 %",
    ):
        assert part in table.note


def accuracies(values, matters):
    """Return the first column of a table whose study has a claim about accuracy."""
    rows = [
        {"variant": v, "seed": k, "overrides": [], "status": "FINISHED", "metrics.test/accuracy": a}
        for v, accuracies in values.items()
        for k, a in enumerate(accuracies)
    ]
    sides = {"treatment": {"variant": "a"}, "control": {"variant": "b"}}
    claim = Claim(id="a", statement="", source="", metric="test/accuracy", better="higher",
                  matters=matters, **sides)  # fmt: skip
    table = Table(rows=("variant",), metrics=("test/accuracy",))
    study = Study(name="s", question="?", reading="", table=table, claims=(claim,),
                  variants=dict.fromkeys(values, ("aux=none",)))  # fmt: skip
    return build_study_table(study, Sweep("s", "parent", pd.DataFrame(rows)))


def test_a_tie_is_a_difference_that_surely_does_not_matter():
    near = {"a": [0.80, 0.82, 0.84], "b": [0.81, 0.83, 0.85], "c": [0.2, 0.5, 0.9]}
    for matters, tied in ((0.01, False), (0.06, True)):  # the interval is ± 4.5 points about 1
        built = accuracies(near, matters)
        assert [row.cells[0].tied for row in built.rows] == [tied, False, False]
        assert ("underlined: tied" in built.note) == tied
    assert r"\underline{82.0 $\pm$ 5.0}" in render.to_latex(built)
    assert "<ins>82.0 ± 5.0</ins>" in render.to_markdown(built)


def test_one_seed_is_tied_with_nothing():
    rows = [
        {"variant": v, "seed": 0, "overrides": [], "status": "FINISHED", "metrics.test/accuracy": a}
        for v, a in (("a", 0.5), ("b", 0.6))
    ]
    table = Table(rows=("variant",), metrics=("test/accuracy",))
    study = Study(name="s", question="?", reading="", variants={"a": ("aux=none",)}, table=table)
    built = build_study_table(study, Sweep("s", "parent", pd.DataFrame(rows)))
    assert [(c.best, c.tied) for row in built.rows for c in row.cells] == [
        (False, False),
        (True, False),
    ]
    assert "Δ" not in built.note


def test_html_escapes_everything(table):
    evil = "<script>alert(1)</script>"
    row = replace(table.rows[0], labels=(evil,))
    text = render.to_html(replace(table, rows=(row,)))
    assert evil not in text
    assert "&lt;script&gt;" in text
    assert "<strong>82.0 ± 5.0</strong>" in text
    assert "<script" not in render.to_markdown(replace(table, rows=(row,)))


def test_comma_separated_values_are_in_the_metrics_own_units(table):
    header, first, *_, hole = render.to_csv(table).splitlines()
    values = dict(zip(header.split(","), first.split(","), strict=True))
    assert float(values["test/accuracy mean"]) == pytest.approx(0.82)
    assert float(values["test/accuracy std"]) == pytest.approx(0.02)
    assert values["test/accuracy n"] == "3"
    assert hole == "lp" + "," * 20


def test_latex_escapes_what_latex_would_not_print(table):
    text = render.to_latex(table)
    assert r"Is 50 \% of A \& B \#1?" in text
    assert r"\textbf{82.0 $\pm$ 5.0}" in text
    assert r"43.00$^\dagger$" in text
    assert r"MACs (10$^{6}$)" in text
    assert all(ord(c) < 128 for c in text)


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_latex_compiles(table, tmp_path):
    body = r"\documentclass{article}\usepackage{booktabs,graphicx}\begin{document}"
    (tmp_path / "t.tex").write_text(
        body + render.to_latex(table) + r"\end{document}", encoding="utf-8"
    )
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "t.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]


def test_an_unknown_metric_is_refused():
    with pytest.raises(ConfigError, match=r"test/acuracy is none of .*did you mean test/accuracy"):
        metric("test/acuracy")
    assert metric("untrained/gradient/decay").label.endswith("untrained")
