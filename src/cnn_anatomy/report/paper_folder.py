"""Studies as a folder that LaTeX compiles: tables, figures and claims, as for an appendix."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import PUBLISHED, RESULTS
from cnn_anatomy.report.committed import Publication, read_publications
from cnn_anatomy.report.figures import draw_figures
from cnn_anatomy.report.figures.canvas import written_as
from cnn_anatomy.report.ledger import judge_sweeps
from cnn_anatomy.report.page import SCALE_WARNING
from cnn_anatomy.report.study_page import StudyPage, write_study_page
from cnn_anatomy.report.templating import render_template
from cnn_anatomy.report.verdict_text import VERDICTS_NOTE
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.run_files import KeptFiles
from cnn_anatomy.studies.study import Study

APPENDIX = "appendix.tex"
TITLE = "Controlled experiments on the structure of convolutional networks"


def write_paper(
    studies: Sequence[Study], root: Path, sources: Sequence[Path] = (RESULTS, PUBLISHED)
) -> Path:
    """Write root/appendix.tex and the tables and figures of `studies` beside it; return it.

    Args:
        studies: what the document shows.
        root: the folder to write anew.
        sources: roots of results; a study is read from the first that holds it.

    Raises:
        ConfigError: if none holds a study.
    """
    found: dict[str, tuple[Publication, Path]] = {}
    for source in reversed(sources):
        found |= {p.study.name: (p, source / p.place) for p in read_publications(source)}
    for study in studies:
        if study.name not in found:
            raise ConfigError(f"there are no results of {study.name}: {study.command(study.seeds)}")
    ledger = judge_sweeps((p.study, p.sweep) for p, _ in found.values() if p.study in studies)
    shutil.rmtree(root, ignore_errors=True)
    pages: list[StudyPage] = []
    for study in studies:
        publication, source = found[study.name]
        folder = root / study.name
        folder.mkdir(parents=True)
        with written_as("pdf"):
            evidence = Evidence(study, publication.sweep, KeptFiles(source))
            figures = draw_figures(evidence, folder)
        verdicts = ledger.study(study.name)
        pages.append(write_study_page(study, publication.sweep, verdicts, folder, figures))
    values = {"title": TITLE, "verdicts_note": VERDICTS_NOTE, "warning": SCALE_WARNING}
    write_text(root / APPENDIX, render_template("appendix.tex.jinja", pages=pages, **values))
    return root / APPENDIX
