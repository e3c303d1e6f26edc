"""Studies as a document that a plain TeX Live compiles."""

import shutil
import subprocess

import pytest
from results import store

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.report import paper_folder
from cnn_anatomy.report.committed import Publication
from cnn_anatomy.report.latex import escape_latex
from cnn_anatomy.report.paper_folder import write_paper
from cnn_anatomy.report.study_page import publish_studies
from cnn_anatomy.results.run_table import read_run_table
from cnn_anatomy.studies.study import load_study, study_names


def compile_latex(file):
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", file.name]
    done = subprocess.run(command, cwd=file.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Missing character" not in done.stdout


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="no LaTeX here")
def test_a_study_compiles_with_its_table_figures_and_claims(tmp_path, new_store, monkeypatch):
    study = store.study()
    client = store.fill(new_store(tmp_path), study, seeds=3)
    (page,) = publish_studies([study], client, tmp_path / "results")

    def publications(root):
        sweep = read_run_table(root / "skip" / "runs.csv", "skip")
        return [Publication(study, sweep, page.folder.relative_to(root))]

    monkeypatch.setattr(paper_folder, "read_publications", publications)  # has no file of its own
    appendix = write_paper([study], tmp_path / "paper", [tmp_path / "results"])
    text = appendix.read_text(encoding="utf-8")
    assert r"\input{skip/table}" in text
    assert text.count(r"\includegraphics") == len(page.figures)
    for verdict in page.verdicts:
        assert escape_latex(verdict.verdict.claim.statement) in text
    compile_latex(appendix)


def test_a_study_without_results_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="no results of skip: make sweep STUDY=skip"):
        write_paper([load_study("skip")], tmp_path / "paper", [tmp_path])


def test_what_studies_say_has_a_form_in_latex():
    for name in study_names():
        study = load_study(name)
        parts = [study.question, study.reading, study.limits]
        for claim in study.claims:
            parts += [claim.statement, claim.source, claim.scope]
        others = {c for c in escape_latex(" ".join(parts)) if ord(c) > 0xFF}  # LaTeX has Latin-1
        assert others == set(), name
