"""Documents agree with the results, and their links and paths exist."""

import re
import subprocess

import pytest
from helpers import REPOSITORY

from cnn_anatomy.core.paths import CONF, PACKAGE, PUBLISHED
from cnn_anatomy.studies.selection import CORE
from cnn_anatomy.studies.study import load_study, study_names
from tools.figures import figures_page


def committed(path):
    """Return a file as committed, since a sweep may have changed it afterwards."""
    name = path.relative_to(REPOSITORY).as_posix()
    command = ["git", "-C", str(REPOSITORY), "show", f"HEAD:{name}"]
    shown = subprocess.run(command, capture_output=True, text=True, check=False)
    return shown.stdout if shown.returncode == 0 else path.read_text()


MADE_BY_THE_READER = re.compile(r"^\d\. Add `([^`]+)`", re.MULTILINE)
DOCUMENTS = [
    *REPOSITORY.glob("*.md"),
    *REPOSITORY.glob("docs/*.md"),
    *PUBLISHED.glob("*/README.md"),
]


@pytest.mark.parametrize("study", CORE)
def test_every_core_study_has_its_results(study):
    names = {path.name for path in (PUBLISHED / study).iterdir()}
    assert names >= {"README.md", "table.md", "table.tex", "table.csv"}
    table = committed(PUBLISHED / study / "table.md")
    assert table in committed(PUBLISHED / study / "README.md")


def test_the_tables_of_the_readme_are_those_of_the_results():
    readme = committed(REPOSITORY / "README.md")
    assert committed(PUBLISHED / "skip" / "table.md") in readme


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda p: str(p.relative_to(REPOSITORY)))
def test_links_lead_somewhere(document):
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target


@pytest.mark.parametrize("name", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_files_that_are_named_exist(name):
    text = (REPOSITORY / name).read_text()
    paths = set(re.findall(r"`([\w./]+(?:/|\.py|\.yaml))`", text))
    paths -= {*MADE_BY_THE_READER.findall(text)}
    assert len(paths) > 10
    missing = {p for p in paths if not (REPOSITORY / p).exists() and not (PACKAGE / p).exists()}
    assert missing == set()


def test_the_axes_of_the_readme_are_those_of_the_configuration():
    readme = (REPOSITORY / "README.md").read_text()
    axes = (
        *("model", "block", "pooling", "skip", "conv", "attention", "residual"),
        *("norm", "head", "aux", "freeze", "inception"),
    )
    for axis in axes:
        for option in (CONF / axis).glob("*.yaml"):
            row = next(line for line in readme.splitlines() if line.startswith(f"| `{axis}` |"))
            assert f"`{option.stem}`" in row, (axis, option.stem)


def test_the_presets_of_the_readme_are_those_of_the_configuration():
    (line,) = [
        x
        for x in (REPOSITORY / "README.md").read_text().splitlines()
        if x.startswith("`network=` selects")
    ]
    named = {path.stem for path in (CONF / "network").glob("*.yaml")} - {"none"}
    assert named == set(re.findall(r"`(\w+)`", line))


def test_every_claim_is_in_the_ledger_with_the_verdict_of_its_page():
    ledger = committed(PUBLISHED / "README.md")
    for study in (s for s in study_names() if (PUBLISHED / s / "runs.csv").exists()):
        page = committed(PUBLISHED / study / "README.md")
        for claim in load_study(study).claims:
            (row,) = [x for x in ledger.splitlines() if f"[{claim.id}]({study}/README.md)" in x]
            assert row.replace(f"[{claim.id}]({study}/README.md)", claim.id) in page


def test_the_page_of_figures_is_current():
    assert (REPOSITORY / "docs" / "figures.md").read_text() == figures_page()  # make figures
