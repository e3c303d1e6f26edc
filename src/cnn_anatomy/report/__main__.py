"""The command `python -m cnn_anatomy.report OUTPUT [STUDY…]`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import NoReturn

from mlflow import MlflowClient

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import OUTPUTS, REPOSITORY, shown, tracking_uri
from cnn_anatomy.core.places import check_outputs
from cnn_anatomy.core.streams import prepare_streams
from cnn_anatomy.core.tracebacks import reported_errors
from cnn_anatomy.report.committed import publish_results, redraw_results, rewrite_results
from cnn_anatomy.report.paper_folder import write_paper
from cnn_anatomy.report.render import print_rich, print_table
from cnn_anatomy.report.single_runs import runs_table
from cnn_anatomy.report.site import write_committed_site, write_site
from cnn_anatomy.report.study_page import publish_studies
from cnn_anatomy.results.run_files import HISTORY_FILE
from cnn_anatomy.results.runs import is_swept
from cnn_anatomy.studies.selection import select_studies
from cnn_anatomy.studies.setting import ALL_SETTINGS
from cnn_anatomy.studies.study import Study
from cnn_anatomy.tracking.store_check import check_store
from cnn_anatomy.tracking.sweep_run import describe

REPORT = OUTPUTS / "report"


def write_tables(studies: Sequence[Study], client: MlflowClient) -> None:
    """Write every study's page, describe the sweeps in MLflow, print the tables."""
    for page in publish_studies(studies, client):
        describe(client, page.parent, page.note, page.folder)
        print_table(page.table)


def write_report(studies: Sequence[Study], client: MlflowClient) -> None:
    """Write outputs/report/index.html and print its path."""
    print(shown(write_site(studies, client, REPORT)))


def _tables(words: Sequence[str], setting: str | None) -> None:
    """Write the tables of studies, by default the core ones."""
    studies = select_studies(",".join(words) or "core", setting)
    check_store(tracking_uri(), [study.name for study in studies])
    write_tables(studies, MlflowClient(tracking_uri()))


def _site(words: Sequence[str], setting: str | None) -> None:
    """Write the site of studies, by default of all that are swept, or else of the committed."""
    names = ",".join(words)
    studies = select_studies(names or "all", setting or ALL_SETTINGS)
    check_store(tracking_uri(), [s.name for s in studies if s.stem in names.split(",")])
    client = MlflowClient(tracking_uri())
    if not names and REPOSITORY and not any(is_swept(client, s.name) for s in studies):
        index = shown(write_committed_site(REPORT))
        print(f"{index}: the committed results, as the store has no sweep")
    else:
        write_report(studies, client)


def _paper(words: Sequence[str], setting: str | None) -> None:
    """Write studies, by default the core ones, as a document in LaTeX."""
    studies = select_studies(",".join(words) or "core", setting)
    print(shown(write_paper(studies, OUTPUTS / "paper")))


def _publish(words: Sequence[str], setting: str | None) -> None:
    """Publish studies and papers, by default all of outputs/results."""
    names = [name for word in words for name in word.split(",")]
    print(publish_results(names, setting=setting).counts)


def _verdicts(words: Sequence[str], setting: str | None) -> None:
    """Judge all claims by the committed runs."""
    for word in (*words, *filter(None, [setting])):
        raise ConfigError(f"verdicts takes no study, not {word}: claims are judged together")
    print(rewrite_results().counts)


def _figures(words: Sequence[str], setting: str | None) -> None:
    """Draw the committed figures again."""
    for word in (*words, *filter(None, [setting])):
        raise ConfigError(f"figures takes no study, not {word}: all are drawn")
    for folder in redraw_results():
        print(f"{shown(folder)} keeps its figures: it has no {HISTORY_FILE}")


def _runs(words: Sequence[str], setting: str | None) -> None:
    """Print the finished runs of an experiment, by default that of runs outside of studies."""
    if len(words) > 1 or setting:
        raise ConfigError("runs takes one experiment, as in runs adhoc or runs skip/photos")
    (experiment,) = words or ["adhoc"]
    check_store(tracking_uri(), [experiment])
    print_rich(runs_table(MlflowClient(tracking_uri()), experiment))


COMMANDS = {
    "tables": _tables,
    "site": _site,
    "paper": _paper,
    "publish": _publish,
    "verdicts": _verdicts,
    "figures": _figures,
    "runs": _runs,
}


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one sentence, without the usage."""

    def error(self, message: str) -> NoReturn:
        raise ConfigError(message)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command; a mistake is one sentence and exit status 2."""
    prepare_streams()
    with reported_errors():
        check_outputs()
        _run(arguments)


def _run(arguments: Sequence[str] | None) -> None:
    parser = _Parser(prog="python -m cnn_anatomy.report", description="Write results.")
    parser.add_argument(
        "output",
        choices=COMMANDS,
        help=(
            "tables: outputs/results/<study>/; site: outputs/report/index.html; paper: "
            "outputs/paper/appendix.tex; publish: copy "
            "outputs/results to experiments/results; verdicts: the latter again, from its runs; "
            "figures: also its figures; runs: print the finished runs of an experiment"
        ),
    )
    parser.add_argument(
        "study",
        nargs="*",
        help="names of studies (of papers, too, to publish), core or all",
    )
    parser.add_argument("--setting", help="setting of the studies, or all (default: the first)")
    words = parser.parse_args(arguments)
    COMMANDS[words.output](words.study, words.setting)


if __name__ == "__main__":
    main()
