"""The results as a static web site: python -m cnn_anatomy.report.site [STUDY[,STUDY…]]."""

from __future__ import annotations

import base64
import sys
from collections.abc import Sequence
from pathlib import Path

from mlflow import MlflowClient

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import HOME, OUTPUTS, tracking_uri
from cnn_anatomy.report import ledger
from cnn_anatomy.report.render import TEMPLATES
from cnn_anatomy.report.study_page import SMALL, Page, publish
from cnn_anatomy.results.runs import is_swept
from cnn_anatomy.studies.study import Study, select_studies
from cnn_anatomy.tracking.server import require_server


def write(studies: Sequence[Study], client: MlflowClient, root: Path) -> Path:
    """Write index.html and <study>.html to `root`, pictures within; return the index.

    Beside them lie <study>/table.tex, table.csv and runs.json. A study that was never swept is
    left out.

    Raises:
        ConfigError: if none was swept.
    """
    swept = [study for study in studies if is_swept(client, study.name)]
    if not swept:
        names = ", ".join(study.name for study in studies)
        raise ConfigError(f"the store has no sweep of {names}: make sweep STUDY=all")
    pages = publish(swept, client, root)
    verdicts = ledger.gather(client, [(page.study, page.sweep) for page in pages])
    known = {page.study.name for page in pages}
    shared = {"ledger": ledger, "pages": pages, "known": known}
    for page in pages:
        text = TEMPLATES.get_template("study.html").render(
            page=page, pictures=_pictures(page), small=SMALL, title=page.study.name, **shared
        )
        (root / f"{page.study.name}.html").write_text(text)
    index = root / "index.html"
    index.write_text(
        TEMPLATES.get_template("index.html").render(
            verdicts=verdicts, title="Claims about CNN structure", **shared
        )
    )
    return index


def _pictures(page: Page) -> list[tuple[str, str]]:
    """Return each figure as a data URI, and its caption."""
    return [
        (_uri((page.folder / f"{file}.svg").read_bytes()), caption) for file, caption in page.drawn
    ]


def _uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def main() -> None:
    """Write the site; a mistake is one sentence and exit status 2."""
    try:
        studies = select_studies(",".join(sys.argv[1:]) or "all")
        require_server(tracking_uri())
        index = write(studies, MlflowClient(tracking_uri()), OUTPUTS / "report")
    except ConfigError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    print(index.relative_to(HOME))


if __name__ == "__main__":
    main()
