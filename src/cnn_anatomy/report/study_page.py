"""The page of a study: set-up, table, figures and verdicts."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from mlflow import MlflowClient

from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.report.figures import DrawnFigure, check_figures, draw_figures
from cnn_anatomy.report.ledger import Ledger, judge_all_claims
from cnn_anatomy.report.page import SweepPage, table_files, write_table_files
from cnn_anatomy.report.render import to_html
from cnn_anatomy.report.table import ResultsTable, build_study_table
from cnn_anatomy.report.verdict_text import VERDICTS_NOTE, VerdictText, verdicts_to_markdown
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.run_files import StoredFiles
from cnn_anatomy.results.runs import Sweep, is_done, read_sweep
from cnn_anatomy.studies.study import Study

NOTE_CHARACTERS = 8000  # the longest tag that MLflow stores


@dataclass(frozen=True, kw_only=True)
class StudyPage(SweepPage):
    """A study's page."""

    study: Study
    verdicts: Sequence[VerdictText]

    template = "study.md.jinja"

    @property
    def command(self) -> str:
        """Return the sweep's command; empty for a sweep that no study file describes."""
        if not self.study.question:
            return ""
        if self.sweep.until_decided:
            return f"{self.study.command(self.study.seeds)} UNTIL=decided"
        return self.study.command(self.sweep.seed_count)

    @property
    def setup(self) -> list[str]:
        """Return runs, data and commit, network and budget, and registration, in sentences."""
        words = {"": "model", "depth ": "model.depth", "width ": "model.width"}
        network = ", ".join(word + self.param(p) for word, p in words.items() if self.param(p))
        data = self.param("data.source") or self.param("data")
        setting = f"Setting {self.study.setting}: {' '.join(self.study.setting_overrides)}."
        return [
            *([setting] if self.study.setting_overrides else []),
            f"{self.runs_sentence} Data {data or 'none'}, {self.sweep.code}.",
            f"Network {network or 'none'}, {self.duration}; "
            f"{self._range('params/total', 1e-3)} thousand parameters, "
            f"{self._range('macs', 1e-6)} million multiply-adds per image.",
            *([self._tuning] if self.sweep.tuning else []),
            *([self._registration] if self.sweep.registration else []),
        ]

    @property
    def _tuning(self) -> str:
        """Return how the variants were tuned, at which cost, and which may want other values."""
        tuning = self.sweep.tuning
        assert tuning is not None
        end = tuning.at_an_end
        return (
            f"Of {tuning.key}={','.join(tuning.values)}, each variant has the value with the "
            f"highest mean accuracy in validation over seeds {', '.join(map(str, tuning.seeds))}, "
            f"which are none of the table's: {len(tuning.trials)} further runs (tuning.csv)"
            + (f"; that of {', '.join(end)} is the smallest or the largest." if end else ".")
        )

    @property
    def _registration(self) -> str:
        """Return when the claims were registered, and what has become of them since."""
        registered = self.sweep.registration
        assert registered is not None
        changes = registered.changes(self.study)
        parts = [f"{word} {', '.join(names)}" for word, names in changes.items() if names]
        if not parts:
            return f"Claims as registered on {registered.date}, before the first run."
        return (
            f"Claims were registered on {registered.date}, before the first run; since then: "
            f"{'; '.join(parts)}."
        )

    @property
    def markdown(self) -> str:
        """Return the page's README.md."""
        return self.render(
            self.template,
            verdict_table=verdicts_to_markdown(self.verdicts),
            verdicts_note=VERDICTS_NOTE,
        )

    @property
    def verdict_words(self) -> dict[str, str]:
        """Return the verdict on each claim of the study, by the claim's id."""
        return {text.verdict.claim.id: text.verdict.word for text in self.verdicts}

    @property
    def note(self) -> str:
        """Return table, verdicts and names of figures, with as many verdicts as MLflow stores."""
        for count in range(len(self.verdicts), -1, -1):
            note = self.render("study_note.md.jinja", verdicts=self.verdicts[:count])
            if len(note) <= NOTE_CHARACTERS:
                break
        return note

    def _range(self, metric: str, scale: float) -> str:
        values = self.sweep.finished.get(f"metrics.{metric}")
        if values is None or values.dropna().empty:
            return "–"
        ends = dict.fromkeys(f"{value * scale:,.4g}" for value in (values.min(), values.max()))
        return " to ".join(ends)


def publish_studies(
    studies: Sequence[Study],
    client: MlflowClient,
    root: Path | None = None,
    parents: Mapping[str, str] | None = None,
) -> list[StudyPage]:
    """Write every study's page to root/<study>/, and the ledger of all claims to root/README.md.

    Without `root`, it is each study's folder of results, so that a user's own studies have a ledger
    of their own. A page is README.md, table.md, table.tex, table.csv, table.html, runs.csv,
    registration.json where the claims were registered, tuning.csv where variants were tuned, the
    figures, figures.json and the runs' files that the figures show. A ledger is written where the
    studies have claims. Its sweep is the one that
    `parents` names for the study, or its latest preset sweep.

    Raises:
        ConfigError: if there is no such sweep, or a table, figure or claim asks for something that
            does not exist.
    """
    parents = parents or {}
    for study in studies:
        check_figures(study)
    sweeps = [(s, read_sweep(client, s.name, parents.get(s.name))) for s in studies]
    pages = []
    for place, group in groupby(sweeps, key=lambda pair: root or pair[0].results):
        together = list(group)
        judged = any(study.claims for study, _ in together)
        ledger = judge_all_claims(client, together) if judged else Ledger(())
        for study, sweep in together:
            folder = place / study.name
            evidence = Evidence(study, sweep, StoredFiles(client))
            figures = draw_figures(evidence, folder)
            evidence.save(folder)
            pages.append(write_study_page(study, sweep, ledger.study(study.name), folder, figures))
        if judged:
            ledger.write(place)  # which links to the pages that there are
    return pages


def write_study_page(
    study: Study,
    sweep: Sweep,
    verdicts: Sequence[VerdictText],
    folder: Path,
    figures: Sequence[DrawnFigure],
) -> StudyPage:
    """Write a study's page, which shows the figures that `folder` holds, and its tables."""
    table = build_study_table(study, sweep)
    write_table_files(table, sweep, folder)
    write_text(folder / "table.html", to_html(table))
    page = StudyPage(
        study=study,
        sweep=sweep,
        folder=folder,
        table=table,
        figures=figures,
        verdicts=verdicts,
    )
    page.write()
    return page


def published_tables(
    sweeps: Sequence[tuple[Study, str]],
    keys: Mapping[str, Collection[str]],
    client: MlflowClient,
    root: Path | None = None,
) -> list[tuple[Sweep, ResultsTable]] | None:
    """Return complete sweeps whose files are up to date, with tables, else None.

    Files are up to date if every sweep, given by its parent run, planned exactly the runs of its
    study's `keys`, all of them are done, and root/<study>/ holds the tables made from them; without
    `root`, it is the study's folder of results. Runs of other studies, which p-values are corrected
    with, do not count.
    """
    tables = []
    for study, parent in sweeps:
        sweep = read_sweep(client, study.name, parent)
        table = build_study_table(study, sweep)
        done = sweep.runs[is_done(sweep.runs)]
        if not set(sweep.runs.key) == set(done.key) == set(keys[study.name]):
            return None
        for name, text in table_files(table, sweep).items():
            file = (root or study.results) / study.name / name
            if not file.exists() or file.read_text(encoding="utf-8") != text:
                return None
        tables.append((sweep, table))
    return tables
