"""The results as a static web site."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient

from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.report.ledger import FOREST, judge_all_claims
from cnn_anatomy.report.page import SCALE_WARNING
from cnn_anatomy.report.study_page import StudyPage, publish_studies
from cnn_anatomy.report.templating import render_template
from cnn_anatomy.report.verdict_text import NUMBERS, VERDICTS_NOTE
from cnn_anatomy.results.runs import is_swept
from cnn_anatomy.studies.study import Study


def write_site(studies: Sequence[Study], client: MlflowClient, root: Path) -> Path:
    """Write index.html and <study>.html, figures embedded, to `root`; return the index.

    Beside them are <study>/table.tex, table.csv and runs.csv. Studies without a preset sweep are
    left out.

    Raises:
        ConfigError: if no study was swept.
    """
    swept = [study for study in studies if is_swept(client, study.name)]
    if not swept:
        names = ", ".join(study.name for study in studies)
        raise ConfigError(f"the store has no sweep of {names}: make sweep STUDY=all")
    pages = publish_studies(swept, client, root)
    ledger = judge_all_claims(client, [(page.study, page.sweep) for page in pages])
    shared = {
        "pages": pages,
        "linked": {page.study.name for page in pages},
        "number_heads": NUMBERS,
        "verdicts_note": VERDICTS_NOTE,
    }
    for page in pages:
        text = render_template(
            "study.html.jinja",
            page=page,
            pictures=_pictures(page),
            warning=SCALE_WARNING,
            title=page.study.name,
            **shared,
        )
        write_text(root / f"{page.study.name}.html", text)
    index = root / "index.html"
    caption = ledger.draw(root)
    text = render_template(
        "index.html.jinja",
        ledger=ledger,
        pictures=[(_data_uri(root / f"{FOREST}.svg"), caption)] if caption else [],
        title="Claims about CNN structure",
        **shared,
    )
    write_text(index, text)
    return index


def _pictures(page: StudyPage) -> list[tuple[str, str]]:
    """Return every figure as a data URI, with its caption."""
    return [(_data_uri(page.folder / f"{file}.svg"), caption) for file, caption in page.figures]


def _data_uri(svg: Path) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg.read_bytes()).decode()}"
