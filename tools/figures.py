"""Writes docs/figures.md, all kinds of figure and what each shows: `python -m tools.figures`."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator

from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.core.paths import HOME, PUBLISHED
from cnn_anatomy.report.figures import FIGURES
from cnn_anatomy.report.figures.forest import forest
from cnn_anatomy.report.figures.style import Encoding
from cnn_anatomy.report.figures.verdict_map import verdict_map
from cnn_anatomy.report.markdown import markdown_table
from cnn_anatomy.studies.study import load_study, study_names

PAGE = HOME / "docs" / "figures.md"
INTRODUCTION = """# Figures

A study's file asks for figures by name, in `figures`. Every figure is written as PNG and SVG, shows each seed, the mean and its 95 % interval (Student's t), and has the units on its axes. A variant looks the same in all figures of its study. {look}

`make figures` draws the committed figures again without a store, from the files beside them: the runs (`runs.csv`), their metrics by epoch (`histories.parquet`), and what the figures show of the runs' own files.
"""  # noqa: E501


def figures_page() -> str:
    """Return the text of docs/figures.md."""
    look = _paragraphs(Encoding)[1]
    rows = [_row(name, figure) for name, figure in FIGURES.items()]
    table = markdown_table(["figure", "what it shows", "settings", "studies"], rows)
    return (
        f"{INTRODUCTION.format(look=look)}\n{table}\n"
        "The [ledger](../experiments/results/README.md) has a forest plot. "
        f"{_paragraphs(forest)[1]}\n\n"
        "Once a study is published in a further setting, the ledger has a map of verdicts, a row "
        f"for each of its claims and a column for each setting. {_paragraphs(verdict_map)[1]}\n"
    )


def _row(name: str, figure: Callable[..., str]) -> list[str]:
    parameters = inspect.signature(figure).parameters.values()
    settings = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    shown = _paragraphs(figure)[0].removeprefix("Draw ").rstrip(".")
    links = [f"[{study}](../experiments/results/{study}/README.md)" for study in _studies(name)]
    return [f"`{name}`", shown, ", ".join(f"`{s}`" for s in settings), ", ".join(links)]


def _studies(name: str) -> Iterator[str]:
    """Yield the studies with committed results that show the figure `name`."""
    for study in study_names():
        published = (PUBLISHED / study / "README.md").is_file()
        if published and any(figure.name == name for figure in load_study(study).figures):
            yield study


def _paragraphs(thing: Callable[..., object]) -> list[str]:
    """Return the paragraphs of a docstring, each in one line."""
    return [" ".join(part.split()) for part in (inspect.getdoc(thing) or "").split("\n\n")]


if __name__ == "__main__":
    write_text(PAGE, figures_page())
