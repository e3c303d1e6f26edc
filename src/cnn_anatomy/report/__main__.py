"""The command `python -m cnn_anatomy.report tables|site [STUDY…]`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from typing import NamedTuple, NoReturn

from mlflow import MlflowClient

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import HOME, OUTPUTS, RESULTS, tracking_uri
from cnn_anatomy.core.tracebacks import reported_errors
from cnn_anatomy.report.render import print_table
from cnn_anatomy.report.site import write_site
from cnn_anatomy.report.study_page import publish_studies
from cnn_anatomy.studies.study import Study, select_studies
from cnn_anatomy.tracking.store_check import check_store
from cnn_anatomy.tracking.sweep_run import describe


def write_tables(studies: Sequence[Study], client: MlflowClient) -> None:
    """Write outputs/results/<study>/, describe the sweeps in MLflow, print the tables."""
    for page in publish_studies(studies, client, RESULTS):
        describe(client, page.parent, page.note, page.folder)
        print_table(page.table)


def write_report(studies: Sequence[Study], client: MlflowClient) -> None:
    """Write outputs/report/index.html and print its path."""
    index = write_site(studies, client, OUTPUTS / "report")
    print(index.relative_to(HOME))


class _Output(NamedTuple):
    """What the command writes, of which studies by default, and whether it requires them all."""

    write: Callable[[Sequence[Study], MlflowClient], None]
    studies: str
    requires_all: bool


COMMANDS = {
    "tables": _Output(write_tables, "core", requires_all=True),
    "site": _Output(write_report, "all", requires_all=False),
}


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a mistake is one sentence and exit status 2."""
    with reported_errors():
        _run(arguments)


def _run(arguments: Sequence[str] | None) -> None:
    parser = _Parser(prog="python -m cnn_anatomy.report", description="Write results from MLflow.")
    parser.add_argument(
        "output",
        choices=COMMANDS,
        help="tables: outputs/results/<study>/; site: outputs/report/index.html",
    )
    parser.add_argument(
        "study",
        nargs="*",
        help="a name, a comma-separated list, core or all (default: core for tables, all for site)",
    )
    words = parser.parse_args(arguments)
    output = COMMANDS[words.output]
    names = ",".join(words.study) or output.studies
    studies = select_studies(names)
    required = [s.name for s in studies if output.requires_all or s.name in names.split(",")]
    check_store(tracking_uri(), required)
    output.write(studies, MlflowClient(tracking_uri()))


if __name__ == "__main__":
    main()
