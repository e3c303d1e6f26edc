"""What the pages of studies and papers share."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.report.figures import DrawnFigure
from cnn_anatomy.report.render import to_csv, to_latex, to_markdown
from cnn_anatomy.report.table import ResultsTable
from cnn_anatomy.report.templating import render_template
from cnn_anatomy.results.run_table import REGISTRATION, RUN_TABLE, to_run_table
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.tuning import TUNING

CAPTIONS = "figures.json"  # figure → caption
SCALE_WARNING = (
    "The networks are small and trained briefly: compare the rows with each other, not with "
    "published figures. A verdict holds for this data, depth and budget only."
)


@dataclass(frozen=True, kw_only=True)
class SweepPage(ABC):
    """A page about one sweep and the files beside it.

    Args:
        sweep: the sweep.
        folder: where the page and its files are.
        table: the sweep's table.
        figures: the figures drawn in `folder`.
    """

    sweep: Sweep
    folder: Path
    table: ResultsTable
    figures: Sequence[DrawnFigure]

    template: ClassVar[str]

    @property
    @abstractmethod
    def command(self) -> str:
        """Return the command that reproduces the page; empty if there is none."""

    @property
    @abstractmethod
    def setup(self) -> list[str]:
        """Return data, runs and budget in sentences."""

    @property
    @abstractmethod
    def note(self) -> str:
        """Return a short form of the page, the sweep's description in MLflow."""

    @property
    def verdict_words(self) -> dict[str, str]:
        """Return the verdict on each claim of the page, by the claim's id."""
        return {}

    @property
    def parent(self) -> str:
        """Return the id of the sweep's parent run."""
        return self.sweep.parent

    @property
    def runs_sentence(self) -> str:
        """Return how many runs the sweep has."""
        runs = f"{len(self.sweep.runs)} runs: {len(self.sweep.variants)} variants"
        missing = self.sweep.missing_clause
        if self.sweep.until_decided:
            seeds = self.sweep.runs.groupby("variant").size()
            return (
                f"{runs}, {seeds.min()} to {seeds.max()} seeds each: seeds were added until the "
                f"claims were decided{missing}."
            )
        return f"{runs} × {self.sweep.seed_count} seeds, paired by seed{missing}."

    @property
    def markdown(self) -> str:
        """Return the page's README.md."""
        return self.render(self.template)

    def param(self, name: str) -> str:
        """Return the different values of a param over the finished runs, joined by commas."""
        return self.sweep.distinct(f"params.{name}")

    @property
    def duration(self) -> str:
        """Return how long the runs were trained, in epochs or steps, whichever end first."""
        epochs, steps = self.param("trainer.max_epochs"), self.param("trainer.max_steps")
        ends = [f"{epochs} epochs"] if epochs else []
        ends += [f"{steps} steps"] if steps not in ("", "-1") else []
        return " or ".join(ends) or "no epochs"

    def render(self, template: str, **values: object) -> str:
        """Render a Markdown template of this page."""
        return render_template(
            template, page=self, table=to_markdown(self.table), warning=SCALE_WARNING, **values
        )

    def write(self) -> None:
        """Write README.md, and the captions of its figures as figures.json."""
        write_text(self.folder / "README.md", self.markdown)
        write_captions(self.figures, self.folder)


def write_captions(figures: Sequence[DrawnFigure], folder: Path) -> None:
    """Write the captions of figures as figures.json."""
    captions = json.dumps(dict(figures), indent=1, ensure_ascii=False)
    write_text(folder / CAPTIONS, captions + "\n")


def read_figures(folder: Path) -> list[DrawnFigure]:
    """Return the figures that an earlier page left in `folder`."""
    captions = json.loads((folder / CAPTIONS).read_text(encoding="utf-8"))
    return [DrawnFigure(file, caption) for file, caption in captions.items()]


def write_table_files(table: ResultsTable, sweep: Sweep, folder: Path) -> None:
    """Write the files of `table_files`, and remove those of another sweep that it doesn't have."""
    for name in (REGISTRATION, TUNING):
        (folder / name).unlink(missing_ok=True)
    for name, text in table_files(table, sweep).items():
        write_text(folder / name, text)


def table_files(table: ResultsTable, sweep: Sweep) -> dict[str, str]:
    """Return the contents of the tables, of the runs behind them, of claims and of tuning by name.

    Claims are there if they were registered, and tuning if variants were tuned.
    """
    registered = sweep.registration
    return {
        "table.md": to_markdown(table),
        "table.tex": to_latex(table),
        "table.csv": to_csv(table),
        RUN_TABLE: to_run_table(sweep),
        **({REGISTRATION: registered.model_dump_json(indent=1) + "\n"} if registered else {}),
        **({TUNING: sweep.tuning.csv} if sweep.tuning else {}),
    }
