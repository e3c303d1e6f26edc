"""The pages of a sweep, and whether those of an earlier one still hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mlflow import MlflowClient

from cnn_anatomy.core.paths import RESULTS, shown
from cnn_anatomy.report.ledger import judge_all_claims
from cnn_anatomy.report.page import SweepPage
from cnn_anatomy.report.paper_page import publish_papers
from cnn_anatomy.report.paper_table import check_paper
from cnn_anatomy.report.render import print_table
from cnn_anatomy.report.replication import replication_line
from cnn_anatomy.report.study_page import publish_studies, published_tables
from cnn_anatomy.report.table import ResultsTable
from cnn_anatomy.results.runs import Sweep, newest_sweep
from cnn_anatomy.studies.paper import Paper
from cnn_anatomy.studies.study import Study
from cnn_anatomy.sweep.overview import log_overview
from cnn_anatomy.sweep.plan import SweepPlan
from cnn_anatomy.tracking.store import prepare
from cnn_anatomy.tracking.sweep_run import OpenSweep, describe


def check_papers(papers: Sequence[Paper]) -> None:
    """Check that every quantity and figure that `papers` ask for exists.

    Raises:
        ConfigError: if one does not.
    """
    for paper in papers:
        check_paper(paper)


def publish_sweep(plan: SweepPlan, sweep: OpenSweep) -> None:
    """Write all pages to their folders, print their tables, and record them in the cache."""
    pages: Sequence[SweepPage]
    if plan.request.papers:
        pages = publish_papers(plan.request.papers, sweep.client, RESULTS, sweep.parents)
    else:
        pages = publish_studies(plan.request.studies, sweep.client, parents=sweep.parents)
    for page, study in zip(pages, plan.request.studies, strict=True):
        describe(sweep.client, page.parent, page.note, page.folder)
        log_overview(sweep.client, study, page.sweep, page.verdict_words.values())
        _print_table(page.table, page.folder)
        if plan.request.preset:
            _print_replication(study, page.sweep, page.verdict_words, page.folder)
    roots = sorted({study.results for study in plan.request.studies})  # of the ledgers
    folders = [*(page.folder for page in pages), *roots]
    files = [file for folder in folders for file in sorted(folder.iterdir()) if file.is_file()]
    plan.plan_cache.save_publication(sweep.parents, files)


def print_if_finished(plan: SweepPlan) -> bool:
    """Print the tables if all runs are done and their pages are up to date; return whether so."""
    request = plan.request
    if plan.force or request.papers or plan.until_decided:
        return False
    for study in request.studies:
        prepare(plan.uri, study.name)
    client = MlflowClient(plan.uri)
    parents = {study.name: newest_sweep(client, study.name) for study in request.studies}
    if not plan.plan_cache.is_published(parents):
        return False
    keys = {study.name: {j.key for j in plan.jobs_of(study.name)} for study in request.studies}
    sweeps = [(study, str(parents[study.name])) for study in request.studies]
    published = published_tables(sweeps, keys, client)
    if published is None:
        return False
    hint = "; make table writes them anew" if request.preset else ""
    print(f"{len(plan.jobs)} runs: all done before, and written{hint}")
    pairs = [(study, sweep) for study, (sweep, _) in zip(request.studies, published, strict=True)]
    ledger = judge_all_claims(client, pairs) if request.preset else None
    for study, (sweep, table) in zip(request.studies, published, strict=True):
        folder = study.results / study.name
        _print_table(table, folder)
        if ledger is not None:
            _print_replication(study, sweep, ledger.words(study.name), folder)
    return True


def _print_table(table: ResultsTable, folder: Path) -> None:
    print_table(table)
    print(f"{table.study}: {shown(folder)}/README.md")


def _print_replication(study: Study, sweep: Sweep, words: Mapping[str, str], folder: Path) -> None:
    if study.file is not None:  # the user's own, of which nothing is committed here
        return
    line = replication_line(study, sweep, words, folder.relative_to(study.results))
    if line:
        print(line)
