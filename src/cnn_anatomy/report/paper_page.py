"""A paper's table with ours beside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from mlflow import MlflowClient

from cnn_anatomy.core.errors import ConfigError, did_you_mean
from cnn_anatomy.report import figures, render
from cnn_anatomy.report.study_page import SMALL, joined, write_tables
from cnn_anatomy.report.table import Cell, PaperTable, Row
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.metrics import Metric, metric
from cnn_anatomy.results.runs import Sweep, read
from cnn_anatomy.studies.paper import Paper


@dataclass(frozen=True)
class Measure:
    """A published quantity: how it prints, and how it follows from a metric that runs log."""

    column: Metric
    metric: str
    of: Callable[[pd.Series], pd.Series] = lambda values: values


MEASURES = {
    "error": Measure(Metric("error (%)", 100, 2), "test/accuracy", lambda values: 1 - values),
    "accuracy": Measure(Metric("accuracy (%)", 100, 2), "test/accuracy"),
    "consistency": Measure(Metric("shift consistency (%)", 100, 2), "consistency/shift"),
    "parameters": Measure(Metric("params (10⁶)", 1e-6, 3, exact=True), "params/total"),
    "macs": Measure(Metric("MACs (10⁹)", 1e-9, 3, exact=True), "macs"),
}


@dataclass(frozen=True)
class Page:
    """What is written of a paper to `folder`."""

    paper: Paper
    sweep: Sweep
    folder: Path
    table: PaperTable
    drawn: Sequence[tuple[str, str]]

    @property
    def parent(self) -> str:
        """Return the sweep's run id."""
        return self.sweep.parent

    @property
    def command(self) -> str:
        """Return what makes it again."""
        words = ["make reproduce", f"PAPER={self.paper.name}", f"BUDGET={self.paper.budget}"]
        seeds = self.sweep.runs.seed.nunique()
        words += [f"SEEDS={seeds}"] if seeds != self.paper.seeds else []
        if self.paper.data:
            return " ".join(words)
        given = {o for run in self.sweep.runs.overrides for o in run}
        sources = sorted(o for o in given if o.startswith("data.source."))
        words.append(f"DATA={self._params('data')}")
        words += [f'ARGS="{" ".join(sources)}"'] if sources else []
        return " ".join(words)

    @property
    def spent(self) -> str:
        """Return budget, data, runs, hardware and commit in words."""
        runs = self.sweep.runs
        hardware = self.sweep.values("tags.hardware", "; ") or "unknown"
        return (
            f"Ours: budget `{self.paper.budget}` ({self._params('trainer.max_epochs')} epochs), "
            f"data `{self._params('data')}`, {len(runs)} runs: {len(self.sweep.variants)} variants "
            f"× {runs.seed.nunique()} seeds, paired by seed{self.sweep.holes}. "
            f"Hardware: {hardware}. Commit {self.sweep.commits}."
        )

    @property
    def apart(self) -> str:
        """Return what keeps the two columns from being compared, or nothing."""
        if not self.paper.published:
            return ""
        theirs = {o.partition("=")[2] for o in self.paper.original if o.startswith("data=")}
        ours = self._params("data")
        if self.paper.budget == "paper" and {ours} == theirs:
            return ""
        return (
            f"**The columns are not of one experiment**: the paper's is of {', '.join(theirs)} at "
            f"its full schedule, ours of {ours} at the budget `{self.paper.budget}`. Compare the "
            "order of the rows, not the values."
        )

    @property
    def markdown(self) -> str:
        """Return the page as README.md."""
        pictures = [f"![{caption}]({file}.png)\n\n{caption}." for file, caption in self.drawn]
        return joined(
            f"# {self.paper.question}",
            f"{self.paper.source}. {self.paper.reading}",
            self.spent,
            self.apart,
            render.markdown(self.table).rstrip(),
            self.table.note,
            self.paper.limits,
            *pictures,
            SMALL if self.paper.budget != "paper" else "",
            f"```\n{self.command}\n```",
        )

    @property
    def note(self) -> str:
        """Return the page as the sweep's description in MLflow."""
        return joined(self.spent, self.apart, render.markdown(self.table).rstrip(), self.table.note)

    def _params(self, name: str) -> str:
        return self.sweep.values(f"params.{name}") or "none"


def check(paper: Paper) -> None:
    """Check that every published quantity and figure is known.

    Raises:
        ConfigError: if not, naming the choices.
    """
    for name in paper.published:
        if name not in MEASURES:
            raise ConfigError(
                f"{paper.name}: published.{name} is none of {', '.join(MEASURES)}"
                f"{did_you_mean(name, MEASURES)}"
            )
    figures.check(paper)


def build(paper: Paper, sweep: Sweep) -> PaperTable:
    """Return a row for each variant: every quantity published, ours and the difference."""
    measures = {name: MEASURES[name] for name in paper.published}
    heads, columns = [], []
    for name, measure in measures.items():
        label = measure.column.label
        heads += [f"{label}, published", f"{label}, ours", "difference"]
        columns += [f"{name} published", f"{name} ours", f"{name} difference"]
    heads += [metric(name).label for name in paper.table.metrics]
    columns += paper.table.metrics
    return PaperTable(
        paper.name,
        paper.question,
        paper.table.rows,
        tuple(columns),
        tuple(heads),
        tuple(_row(paper, measures, sweep, variant) for variant in sweep.variants),
    )


def _row(paper: Paper, measures: Mapping[str, Measure], sweep: Sweep, variant: str) -> Row:
    planned = sweep.runs[sweep.runs.variant == variant]
    done = planned[planned.status == "FINISHED"].set_index("seed")

    def values(name: str) -> pd.Series:
        return done.get(f"metrics.{name}", pd.Series(dtype=float)).astype(float).dropna()

    cells = []
    for name, measure in measures.items():
        value = paper.published[name].get(variant)
        theirs = pd.Series([] if value is None else [value / measure.column.scale], dtype=float)
        ours = measure.of(values(measure.metric))
        apart = ours - theirs.iloc[0] if len(theirs) else ours.iloc[:0]
        unsure = variant in paper.approximate
        cells += [
            Cell(measure.column, theirs, approximate=unsure),
            Cell(measure.column, ours),
            Cell(measure.column, apart, signed=True),
        ]
    cells += [Cell(metric(name), values(name)) for name in paper.table.metrics]
    return Row(variant, (variant,), tuple(cells), len(done), len(planned))


def publish(
    papers: Sequence[Paper], client: MlflowClient, root: Path, parents: Mapping[str, str]
) -> list[Page]:
    """Write every paper's page to root/papers/<name>/<budget>/.

    A page is README.md, table.md, table.tex, table.csv, runs.json and the figures.
    """
    return [_publish(paper, client, root / "papers", parents[paper.name]) for paper in papers]


def _publish(paper: Paper, client: MlflowClient, root: Path, parent: str) -> Page:
    sweep = read(client, paper.name, parent)
    table = build(paper, sweep)
    other = "" if paper.data else f"-{sweep.values('params.data', '-')}"
    folder = root / paper.name / f"{paper.budget}{other}"
    write_tables(table, sweep, folder)
    drawn = figures.draw(Evidence(paper, sweep, client), folder)
    page = Page(paper, sweep, folder, table, drawn)
    (folder / "README.md").write_text(page.markdown)
    return page
