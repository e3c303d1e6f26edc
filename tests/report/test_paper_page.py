"""A paper's page: what it says of set-up, comparability and reproduction."""

from dataclasses import replace

import pandas as pd
import pytest

from cnn_anatomy.report.figures import DrawnFigure
from cnn_anatomy.report.paper_page import PaperPage
from cnn_anatomy.report.paper_table import build_paper_table
from cnn_anatomy.report.render import to_markdown
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.paper import load_paper

SOURCE = "data.source.root=/images"


@pytest.fixture
def page(tmp_path):
    """Return the page of two seeds of he2015's short budget; one run is missing."""
    paper = load_paper("he2015", "short")
    results = {
        "status": "FINISHED",
        "commit": "0123456789",
        "tags.hardware": "2 cores",
        "params.data": "cifar10",
        "params.trainer.max_epochs": "5",
        "metrics.test/accuracy": 0.6,
    }
    rows = [
        {"variant": run.variant, "seed": run.seed, "overrides": [*run.overrides, SOURCE]} | results
        for run in paper.runs([0, 1])
    ]
    rows[-1] |= {"status": "MISSING", "commit": ""}
    sweep = Sweep(paper.name, "parent", pd.DataFrame(rows))
    figures = [DrawnFigure("accuracy", "Accuracy of a<b")]
    table = build_paper_table(paper, sweep)
    return PaperPage(paper=paper, sweep=sweep, folder=tmp_path, table=table, figures=figures)


def test_a_page_tells_budget_runs_and_figures(page):
    page.write()
    text = (page.folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# Deep Residual Learning for Image Recognition\n\nHe, Zhang")
    assert (
        "Ours: budget `short` (5 epochs), data `cifar10`. 8 runs: 4 variants × 2 seeds, paired by "
        "seed; 1 run is missing. Hardware: 2 cores. Commit 01234567.\n\n"
    ) in text
    assert to_markdown(page.table) in text
    assert "![Accuracy of a&lt;b](accuracy.png)\n\nAccuracy of a&lt;b.\n\n" in text
    assert text.endswith("```\nmake reproduce PAPER=he2015 BUDGET=short SEEDS=2\n```\n")
    assert "\n\n\n" not in text
    assert "\n\n\n" not in page.note
    assert "8 runs" in page.note


def test_values_of_another_budget_are_not_comparable(page):
    assert "the paper trains on CIFAR-10 with its full schedule, we train on cifar10" in page.caveat
    assert page.caveat in page.note
    assert "networks are small and trained briefly" in page.markdown
    full = replace(page, paper=load_paper("he2015", "paper"))
    assert full.caveat == ""
    assert "come from different experiments" not in full.markdown
    assert "networks are small and trained briefly" not in full.markdown


def test_a_page_tells_whether_the_rows_are_in_the_published_order(page):
    assert page.agreement == ""  # all accuracies are equal
    order = list(page.paper.published["error"])
    runs = page.sweep.runs
    accuracy = runs.variant.map(lambda v: -page.paper.published["error"][v] / 100) + 0.9
    ordered = replace(page, sweep=replace(page.sweep, runs=runs.assign(
        **{"metrics.test/accuracy": accuracy + runs.seed / 1000})))  # fmt: skip
    assert set(runs.variant) <= set(order)
    assert "error 1.00 over one seed." in ordered.markdown  # the other one lacks a row
    assert "error 1.00 over one seed." in ordered.note


def test_the_command_names_data_and_seeds_that_are_not_the_papers(page):
    other = replace(page, paper=page.paper.model_copy(update={"data": (), "seeds": 1}))
    assert other.command == (
        f'make reproduce PAPER=he2015 BUDGET=short SEEDS=2 DATA=cifar10 ARGS="{SOURCE}"'
    )
