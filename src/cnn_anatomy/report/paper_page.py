"""The page of a paper: its published table with ours beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

from cnn_anatomy.report.figures import DrawnFigure, draw_figures
from cnn_anatomy.report.page import SweepPage, write_table_files
from cnn_anatomy.report.paper_table import agreement, build_paper_table
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.run_files import StoredFiles
from cnn_anatomy.results.runs import Sweep, read_sweep
from cnn_anatomy.studies.paper import Paper


@dataclass(frozen=True, kw_only=True)
class PaperPage(SweepPage):
    """A paper's page at one budget."""

    paper: Paper

    template = "paper.md.jinja"

    @property
    def command(self) -> str:
        """Return the reproduction's command, with data and seeds if they are not the budget's."""
        words = ["make reproduce", f"PAPER={self.paper.name}", f"BUDGET={self.paper.budget}"]
        seeds = self.sweep.seed_count
        words += [f"SEEDS={seeds}"] if seeds != self.paper.seeds else []
        if self.paper.data:
            return " ".join(words)
        overrides = {override for run in self.sweep.runs.overrides for override in run}
        sources = sorted(o for o in overrides if o.startswith("data.source."))
        words.append(f"DATA={self.param('data') or 'none'}")
        words += [f'ARGS="{" ".join(sources)}"'] if sources else []
        return " ".join(words)

    @property
    def setup(self) -> list[str]:
        """Return budget and data, runs, and hardware and commit, in sentences."""
        hardware = self.sweep.distinct("tags.hardware", "; ") or "unknown"
        return [
            f"Ours: budget `{self.paper.budget}` ({self.duration}), "
            f"data `{self.param('data') or 'none'}`.",
            self.runs_sentence,
            f"Hardware: {hardware}. {self.sweep.code.capitalize()}.",
        ]

    @property
    def caveat(self) -> str:
        """Return why published values and ours cannot be compared; empty if they can be."""
        if not self.paper.published:
            return ""
        theirs = {o.partition("=")[2] for o in self.paper.original if o.startswith("data=")}
        ours = self.param("data") or "none"
        if self.paper.budget == "paper" and {ours} == theirs:
            return ""
        return (
            f"**The columns come from different experiments**: the paper trains on "
            f"{self.paper.trained_on} with its full schedule, we train on {ours} with the budget "
            f"`{self.paper.budget}`. Compare the order of the rows, not the values."
        )

    @property
    def agreement(self) -> str:
        """Return how far the rows are in the published order; empty if nothing says so."""
        return agreement(self.paper, self.sweep)

    @property
    def note(self) -> str:
        """Return set-up and table."""
        return self.render("paper_note.md.jinja")


def publish_papers(
    papers: Sequence[Paper], client: MlflowClient, root: Path, parents: Mapping[str, str]
) -> list[PaperPage]:
    """Write every paper's page to root/papers/<name>/<budget>/.

    A page is README.md, table.md, table.tex, table.csv, runs.csv, the figures, figures.json
    and the runs' files that the figures show.
    Its sweep is the one that `parents` names for the paper. Data other than the paper's is named in
    the folder.

    Raises:
        ConfigError: if the store has no such sweep.
    """
    return [_publish(paper, client, root / "papers", parents[paper.name]) for paper in papers]


def write_paper_page(
    paper: Paper, sweep: Sweep, folder: Path, figures: Sequence[DrawnFigure]
) -> PaperPage:
    """Write a paper's page, which shows the figures that `folder` holds, and its tables."""
    table = build_paper_table(paper, sweep)
    write_table_files(table, sweep, folder)
    page = PaperPage(paper=paper, sweep=sweep, folder=folder, table=table, figures=figures)
    page.write()
    return page


def _publish(paper: Paper, client: MlflowClient, root: Path, parent: str) -> PaperPage:
    sweep = read_sweep(client, paper.name, parent)
    data = "" if paper.data else f"-{sweep.distinct('params.data', '-')}"
    folder = root / paper.name / f"{paper.budget}{data}"
    evidence = Evidence(paper, sweep, StoredFiles(client))
    figures = draw_figures(evidence, folder)
    evidence.save(folder)
    return write_paper_page(paper, sweep, folder, figures)
