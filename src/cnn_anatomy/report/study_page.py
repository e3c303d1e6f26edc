"""What is written of a study: page, tables, figures, and the runs behind them."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mlflow import MlflowClient

from cnn_anatomy.report import figures, ledger, render
from cnn_anatomy.report.table import PaperTable, build
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.runs import Sweep, is_done, read
from cnn_anatomy.results.verdicts import Verdict
from cnn_anatomy.studies.study import Study

SMALL = (
    "A small network trained briefly: the rows are to be compared with each other, not with a "
    "published figure, and a verdict holds for this data, depth and budget."
)
NOTE_LIMIT = 8000  # characters of a tag's value in MLflow


@dataclass(frozen=True)
class Page:
    """A study's page as written to `folder`; `drawn` is (file without suffix, caption) of each."""

    study: Study
    sweep: Sweep
    folder: Path
    table: PaperTable
    drawn: Sequence[tuple[str, str]]
    verdicts: Sequence[Verdict]

    @property
    def parent(self) -> str:
        """Return the sweep's run id."""
        return self.sweep.parent

    @property
    def command(self) -> str:
        """Return what makes it again."""
        seeds = self.sweep.runs.seed.nunique()
        more = f" SEEDS={seeds}" if seeds != self.study.seeds else ""
        return f"make sweep STUDY={self.study.name}{more}"

    @property
    def setup(self) -> list[str]:
        """Return data, runs and budget in a sentence each."""
        runs = self.sweep.runs
        named = {"": "model", "depth ": "model.depth", "width ": "model.width"}
        network = ", ".join(word + self._params(p) for word, p in named.items() if self._params(p))
        epochs = self._params("trainer.max_epochs")
        return [
            f"{len(runs)} runs: {len(self.sweep.variants)} variants × {runs.seed.nunique()} seeds, "
            f"paired by seed, on {self._params('data') or 'none'}{self.sweep.holes}. "
            f"Commit {self.sweep.commits}.",
            f"Network {network or 'none'}, {epochs or 'no'} epochs; "
            f"{self._range('params/total', 1e-3)} thousand parameters, "
            f"{self._range('macs', 1e-6)} million multiply-adds an image.",
        ]

    @property
    def sentences(self) -> list[str]:
        """Return every verdict in words, in Markdown."""
        return [
            f"**{v.word.capitalize()}**{_reason(v)}. {ledger.sentence(v)}" for v in self.verdicts
        ]

    @property
    def markdown(self) -> str:
        """Return the page as README.md."""
        figures_ = [
            f"![{caption}]({file}.png)\n\n**Figure {i}.** {caption}."
            for i, (file, caption) in enumerate(self.drawn, 1)
        ]
        decided = [
            "## Verdicts",
            "\n".join(f"- {s}" for s in self.sentences),
            ledger.table(self.verdicts).rstrip(),
            ledger.NOTE,
        ]
        return joined(
            f"# {self.study.name}",
            self.study.question,
            self.study.reading,
            "## Set-up",
            "\n".join(self.setup),
            "## Results",
            render.markdown(self.table).rstrip(),
            self.table.note,
            *figures_,
            *(decided if self.verdicts else ()),
            "## What this does not show",
            self.study.limits,
            SMALL,
            "## Again",
            f"```\n{self.command}\n```" if self.study.question else "",
            "The runs behind every cell are in [runs.json](runs.json); the table is also there as "
            "[LaTeX](table.tex), [CSV](table.csv) and [HTML](table.html).",
        )

    @property
    def note(self) -> str:
        """Return table, verdicts and the figures' names, as short as MLflow's descriptions are."""
        files = ", ".join(f"{file}.png" for file, _ in self.drawn) or "none"
        sentences = self.sentences
        while True:
            text = joined(
                self.study.question,
                render.markdown(self.table).rstrip(),
                self.table.note,
                "\n".join(f"- {s}" for s in sentences),
                f"In the artifacts under `results/`: the whole page (README.md); figures: {files}.",
            )
            if len(text) <= NOTE_LIMIT or not sentences:
                return text
            sentences = sentences[:-1]

    def _params(self, name: str) -> str:
        return self.sweep.values(f"params.{name}")

    def _range(self, name: str, scale: float) -> str:
        found = self.sweep.finished.get(f"metrics.{name}")
        if found is None or found.dropna().empty:
            return "–"
        ends = dict.fromkeys(f"{value * scale:,.4g}" for value in (found.min(), found.max()))
        return " to ".join(ends)


def publish(
    studies: Sequence[Study],
    client: MlflowClient,
    root: Path,
    parents: Mapping[str, str] | None = None,
) -> list[Page]:
    """Write every study's page to root/<study>/, and the ledger of all claims to root/README.md.

    A page is README.md, table.md, table.tex, table.csv, table.html, runs.json and the figures. The
    sweep is the study's among `parents`, or its latest with its own settings.

    Raises:
        ConfigError: if there is no such sweep, or a table, figure or claim asks for what is not
            there.
    """
    parents = parents or {}
    for study in studies:
        figures.check(study)
    sweeps = [(s, read(client, s.name, parents.get(s.name))) for s in studies]
    verdicts = ledger.gather(client, sweeps)
    if verdicts:
        ledger.write(verdicts, root)
    return [
        _publish(study, sweep, [v for v in verdicts if v.study == study.name], client, root)
        for study, sweep in sweeps
    ]


def _publish(
    study: Study, sweep: Sweep, verdicts: Sequence[Verdict], client: MlflowClient, root: Path
) -> Page:
    table = build(study, sweep)
    folder = root / study.name
    write_tables(table, sweep, folder)
    (folder / "table.html").write_text(render.html(table))
    drawn = figures.draw(Evidence(study, sweep, client), folder)
    page = Page(study, sweep, folder, table, drawn, verdicts)
    (folder / "README.md").write_text(page.markdown)
    return page


def write_tables(table: PaperTable, sweep: Sweep, folder: Path) -> None:
    """Write table.md, table.tex, table.csv, and the runs behind them as runs.json."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in _texts(table, sweep).items():
        (folder / name).write_text(text)


def standing(
    sweeps: Sequence[tuple[Study, str]],
    keys: Mapping[str, Collection[str]],
    client: MlflowClient,
    root: Path,
) -> list[PaperTable] | None:
    """Return the tables of `sweeps`, by run id, if those that `publish` has written still hold.

    That is: each sweep planned the runs of its study's `keys`, all of them are done, and the
    tables and runs in root/<study>/ are these. Else None. Runs of other studies, with whose claims
    the p-values are corrected, do not count.
    """
    tables = []
    for study, parent in sweeps:
        sweep = read(client, study.name, parent)
        table, folder = build(study, sweep), root / study.name
        done = sweep.runs[is_done(sweep.runs)]
        if not set(sweep.runs.key) == set(done.key) == set(keys[study.name]):
            return None
        files = {folder / name: text for name, text in _texts(table, sweep).items()}
        if not all(file.exists() and file.read_text() == text for file, text in files.items()):
            return None
        tables.append(table)
    return tables


def _texts(table: PaperTable, sweep: Sweep) -> dict[str, str]:
    """Return the contents of the tables' files, by name."""
    traced = sweep.runs[["variant", "seed", "status", "run_id", "key", "commit", "overrides"]]
    return {
        "table.md": render.markdown(table),
        "table.tex": render.latex(table),
        "table.csv": render.comma_separated(table),
        "runs.json": json.dumps(traced.to_dict("records"), indent=1, ensure_ascii=False) + "\n",
    }


def _reason(verdict: Verdict) -> str:
    """Return why a verdict is inconclusive, in brackets, or nothing."""
    return f" ({verdict.reason})" if verdict.reason else ""


def joined(*parts: str) -> str:
    """Return paragraphs, the empty ones left out."""
    return "\n\n".join(part for part in parts if part) + "\n"
