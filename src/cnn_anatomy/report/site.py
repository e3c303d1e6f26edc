"""The results as a static web site that needs no server and sends no request."""

from __future__ import annotations

import base64
import gzip
import math
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from mlflow import MlflowClient

from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.core.commands import sweep_command
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import PUBLISHED
from cnn_anatomy.report.committed import committed_ledger, read_publications
from cnn_anatomy.report.explorer import explorer_data
from cnn_anatomy.report.figures.forest import END
from cnn_anatomy.report.ledger import Ledger, judge_all_claims
from cnn_anatomy.report.page import SCALE_WARNING, read_figures
from cnn_anatomy.report.sentence_matrix import HEADS, MATRIX_NOTE
from cnn_anatomy.report.settings_map import (
    POOLED_HEADS,
    SETTINGS_NOTE,
    cells_by_setting,
    pooled_cells,
    setting_names,
)
from cnn_anatomy.report.study_page import StudyPage, publish_studies, write_study_page
from cnn_anatomy.report.templating import render_template
from cnn_anatomy.report.verdict_text import NUMBERS, VERDICTS_NOTE
from cnn_anatomy.results.across_settings import ClaimAcrossSettings
from cnn_anatomy.results.runs import is_swept
from cnn_anatomy.results.verdicts import WORDS, Verdict
from cnn_anatomy.studies.paper import Paper
from cnn_anatomy.studies.study import Study

FOLDER = Path(__file__).parent
LIBRARIES = ("vega.min.js", "vega-lite.min.js")
UNQUOTED = " !'$()*+,-./:;<=>?@[]_~"  # in a data URI within an attribute in double quotes
FOREST_WIDTH = 200.0  # of a claim's line, in the units of its picture


class ForestRow(NamedTuple):
    """A claim's effect and interval, in units of what matters, and their places on the line."""

    low: float
    effect: float
    high: float
    places: tuple[float, float, float]
    band: tuple[float, float]


def write_site(studies: Sequence[Study], client: MlflowClient, root: Path) -> Path:
    """Write the site of all studies that have a preset sweep in the store; return its first page.

    The pages are index.html, explorer.html, sentences.html if claims test sentences, and
    <study>.html (<study>-<setting>.html in a further setting), each complete in itself. Beside them
    are the files of the studies' pages.

    Raises:
        ConfigError: if no study was swept.
    """
    swept = [study for study in studies if is_swept(client, study.name)]
    if not swept:
        names = ", ".join(dict.fromkeys(study.stem for study in studies))
        raise ConfigError(f"the store has no sweep of {names}: {sweep_command('all')}")
    pages = publish_studies(swept, client, root)
    return _write_pages(pages, judge_all_claims(client, [(p.study, p.sweep) for p in pages]), root)


def write_committed_site(root: Path, published: Path = PUBLISHED) -> Path:
    """Write the site of the committed results; return its first page.

    Raises:
        ConfigError: if there are none.
    """
    found = [p for p in read_publications(published) if not isinstance(p.study, Paper)]
    if not found:
        raise ConfigError(
            f"neither the store nor experiments/results holds runs: {sweep_command()}"
        )
    ledger = committed_ledger(published)
    pages = []
    for study, sweep, place in found:
        folder = root / place
        shutil.copytree(published / place, folder, dirs_exist_ok=True)
        verdicts = ledger.study(study.name)
        pages.append(write_study_page(study, sweep, verdicts, folder, read_figures(folder)))
    return _write_pages(pages, ledger, root)


def _write_pages(pages: Sequence[StudyPage], ledger: Ledger, root: Path) -> Path:
    sentences = ledger.sentences
    shared = {
        "pages": pages,
        "linked": {page.study.name for page in pages},
        "page_file": page_file,
        "number_heads": NUMBERS,
        "verdicts_note": VERDICTS_NOTE,
        "forest_row": forest_row,
        "site_script": _read("site.js"),
        "sentences": sentences,
        "cells": cells_by_setting,
        "pooled_cells": pooled_cells,
        "pooled_heads": POOLED_HEADS,
        "settings_note": SETTINGS_NOTE,
    }

    def write(file: str, template: str, **values: object) -> Path:
        write_text(root / file, render_template(template, **shared, **values))
        return root / file

    for page in pages:
        name = page.study.name
        own = {"page": page, "pictures": _pictures(page), "warning": SCALE_WARNING, "title": name}
        across = [c for c in ledger.across if c.study == page.study.stem]
        write(page_file(name), "study.html.jinja", **own, **_settings(across))
    if sentences:
        own = {"rows": sentences, "heads": HEADS, "matrix_note": MATRIX_NOTE, "title": "Sentences"}
        write("sentences.html", "sentences.html.jinja", **own)
    write(
        "explorer.html",
        "explorer.html.jinja",
        data=packed(explorer_data(pages)),
        licence=_read("vega/LICENSE"),
        libraries=[packed(_read(f"vega/{name}")) for name in LIBRARIES],
        script=_read("explorer.js"),
        title="Explorer",
    )
    values = {"ledger": ledger, "words": WORDS, "title": "Claims about CNN structure"}
    return write("index.html", "index.html.jinja", **values, **_settings(ledger.across))


def _settings(across: Sequence[ClaimAcrossSettings]) -> dict[str, object]:
    return {"across": across, "setting_names": setting_names(across)}


def page_file(study: str) -> str:
    """Return the name of a study's page; that of a further setting is beside the first."""
    return f"{study.replace('/', '-')}.html"


def forest_row(verdict: Verdict) -> ForestRow | None:
    """Return where a claim's effect lies on its line; None without runs, or if all matters."""
    matters = verdict.claim.matters
    if verdict.effect is None or matters <= 0:
        return None
    low, high = (e / matters for e in verdict.interval)
    effect = verdict.effect.value / matters
    if verdict.exact:
        low = high = effect
    places = (_place(low), _place(effect), _place(high))
    return ForestRow(low, effect, high, places, (_place(-1), _place(1)))


def _place(value: float) -> float:
    """Return the place of a value on a line that is linear to ±1, then logarithmic to ±END."""
    size = min(abs(value), END)
    stretched = size if size <= 1 else 1 + math.log10(size)
    share = stretched / (1 + math.log10(END))
    return round(FOREST_WIDTH / 2 * (1 + math.copysign(share, value)), 1)


def _pictures(page: StudyPage) -> list[tuple[str, str]]:
    """Return every figure as a data URI, with its caption."""
    return [(_data_uri(page.folder / f"{file}.svg"), caption) for file, caption in page.figures]


def _data_uri(svg: Path) -> str:
    """Return an SVG file as a data URI."""
    return f"data:image/svg+xml,{quote(svg.read_text(encoding='utf-8').strip(), safe=UNQUOTED)}"


def packed(text: str) -> str:
    """Return a text as gzip in Base64, which the explorer's script unpacks."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")
