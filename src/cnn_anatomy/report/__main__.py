"""The command: python -m cnn_anatomy.results STUDY[,STUDY…] writes experiments/results/<study>/."""

from __future__ import annotations

import sys

from mlflow import MlflowClient

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import RESULTS, tracking_uri
from cnn_anatomy.report.render import show
from cnn_anatomy.report.study_page import publish
from cnn_anatomy.studies.study import select_studies
from cnn_anatomy.tracking.server import require_server
from cnn_anatomy.tracking.sweep_run import describe


def main() -> None:
    """Write and print the tables; a mistake is one sentence and exit status 2."""
    try:
        require_server(tracking_uri())
        client = MlflowClient(tracking_uri())
        for page in publish(select_studies(",".join(sys.argv[1:]) or "core"), client, RESULTS):
            describe(client, page.parent, page.note, page.folder)
            show(page.table)
    except ConfigError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
