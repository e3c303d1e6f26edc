"""The sweeper itself."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from cnn_anatomy.config.validation import check, check_words
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import REPOSITORY, RESULTS, cache, tracking_uri
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.studies.study import Planned
from cnn_anatomy.sweep.arguments import Arguments, parse
from cnn_anatomy.sweep.download import fetch
from cnn_anatomy.sweep.jobs import Job, quoted
from cnn_anatomy.sweep.mistakes import Mistakes
from cnn_anatomy.sweep.plan_cache import Remembered
from cnn_anatomy.tracking.server import require_server


class StudySweeper(Sweeper):
    """Expands `study=a,b` into the runs of their files, or any sweep overrides into their product.

    All runs of all studies go to the launcher in one call, so that workers import once. A run
    that fails stops no other; the exit status says that one did.

    Args:
        seeds: how many of every variant, if not what the study says.
        force: repeat what is done.
        plan: show what is done and what is not, and train nothing.
        budget: of the papers that `study` then names.
    """

    def __init__(
        self,
        *,
        seeds: int | None = None,
        force: bool = False,
        plan: bool = False,
        budget: str | None = None,
    ) -> None:
        self.seeds = seeds
        self.budget = budget
        self.force = force
        self.plan = plan

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what the launcher needs (Hydra's hook)."""
        self.context = hydra_context
        self.composed = config
        _require_installed(config)
        self.launcher: Launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> list[JobReturn]:
        """Run the sweep; exit status 1 if a run failed."""
        parser = OverridesParser.create(config_loader=self.context.config_loader)
        asked = parse(parser.parse_overrides(arguments), self.seeds, self.budget)
        for study in asked.studies:
            for name in study.metrics:
                metric(name)
        if asked.papers:
            from cnn_anatomy.report.paper_table import check_paper

            for paper in asked.papers:
                check_paper(paper)
        require_server(tracking_uri(self.composed.tracking.uri))
        self.remembered = Remembered(asked.runs, self.composed)
        before = self.remembered.load()
        if before is not None and not self.plan and self._is_over(asked, before):
            return []
        jobs = before if before is not None and self.plan else self._keyed(asked.runs)
        return self._run(asked, jobs)

    def _is_over(self, asked: Arguments, jobs: list[Job]) -> bool:
        """Print the tables if all is done and written; return whether it is."""
        if self.force or asked.papers:
            return False
        from mlflow import MlflowClient

        from cnn_anatomy.report.render import print_table
        from cnn_anatomy.report.study_page import published_tables
        from cnn_anatomy.results.runs import newest_sweep
        from cnn_anatomy.tracking.store import prepare

        uri = tracking_uri(self.composed.tracking.uri)
        for study in asked.studies:
            prepare(uri, study.name)
        client = MlflowClient(uri)
        parents = {study.name: newest_sweep(client, study.name) for study in asked.studies}
        if not self.remembered.is_published(parents):
            return False
        keys = {s.name: {j.key for j in jobs if j.run.study == s.name} for s in asked.studies}
        sweeps = [(study, str(parents[study.name])) for study in asked.studies]
        tables = published_tables(sweeps, keys, client, _root(asked))
        if tables is None:
            return False
        anew = "; make table writes them anew" if asked.preset else ""
        print(f"{len(jobs)} runs: all done before, and written{anew}")
        for table in tables:
            print_table(table)
            print(f"{table.study}: {_told(_root(asked) / table.study)}\n")
        return True

    def _keyed(self, runs: Sequence[Planned]) -> list[Job]:
        """Compose and check every variant, once for all its seeds, and find the runs' keys."""
        from cnn_anatomy.config.run_key import named_files, run_keys

        composed: dict[tuple[str, ...], DictConfig] = {}
        mistakes = Mistakes()
        for run in {run.overrides: run for run in runs}.values():
            with mistakes.of(
                run.variant if run.study == "adhoc" else f"{run.study}: {run.variant}"
            ):
                check_words(run.overrides)
                loader = self.context.config_loader
                config = loader.load_sweep_config(self.composed, list(run.overrides))
                check(config, config.hydra.runtime.choices)
                composed[run.overrides] = config
        mistakes.refuse()
        if not self.plan:
            fetch(composed.values())
        seeds = sorted({run.seed for run in runs})
        keys = {
            overrides: dict(zip(seeds, run_keys(config, seeds), strict=True))
            for overrides, config in composed.items()
        }
        pinned = {overrides: self._pinned(config) for overrides, config in composed.items()}
        jobs = [Job(run, keys[run.overrides][run.seed], pinned[run.overrides]) for run in runs]
        self.remembered.keep(jobs, named_files(composed.values()))
        return jobs

    def _pinned(self, config: DictConfig) -> tuple[str, ...]:
        """Return the overrides by which a worker of another machine trains the run of the key."""
        words = [
            f"tracking.uri={quoted(tracking_uri(self.composed.tracking.uri))}",
            f"paths.cache={quoted(str(self.composed.paths.cache))}",
        ]
        if OmegaConf.is_interpolation(config.trainer, "precision"):
            words.append(f"trainer.precision={config.trainer.precision}")
        return tuple(words)

    def _run(self, asked: Arguments, jobs: list[Job]) -> list[JobReturn]:
        from mlflow import MlflowClient

        from cnn_anatomy.core.interrupts import KEPT, STOP, Stopped
        from cnn_anatomy.sweep.status import entries, show
        from cnn_anatomy.tracking.run_cache import known
        from cnn_anatomy.tracking.store import prepare

        uri = tracking_uri(self.composed.tracking.uri)
        os.environ["MLFLOW_TRACKING_URI"] = uri  # of the workers, too
        try:
            with STOP:
                experiments = {
                    study.name: prepare(
                        uri, study.name, f"{study.question} {study.reading}".strip()
                    )
                    for study in asked.studies
                }
                client = MlflowClient(uri)  # not before: making the schema is for one process
                if self.plan:
                    planned = [(job.run, job.key) for job in jobs]
                    runs = {name: known(client, e) for name, e in experiments.items()}
                    show(entries(planned, runs), _workers(self.launcher))
                    return []
                failures = self._train(asked, jobs, client, experiments)
        except Stopped:
            print(f"stopped: {KEPT}", file=sys.stderr)
            raise
        for line in failures:
            print(line, file=sys.stderr)
        if failures:
            raise SystemExit(1)
        return []

    def _train(
        self, asked: Arguments, jobs: list[Job], client: Any, experiments: dict[str, str]
    ) -> list[str]:
        """Train what is not done, and print the tables; return a line for each failure."""
        from cnn_anatomy.core.interrupts import STOP
        from cnn_anatomy.results.runs import finished_run_ids
        from cnn_anatomy.sweep.progress import WAITS, SweepProgress, failed_runs, failure
        from cnn_anatomy.sweep.retries import settle
        from cnn_anatomy.tracking.journal import sync
        from cnn_anatomy.tracking.orphans import close_orphans
        from cnn_anatomy.tracking.server import await_server
        from cnn_anatomy.tracking.sweep_run import start_parent

        journals = cache(self.composed.paths.cache) / "journal"
        sync(client, journals)
        for experiment in experiments.values():
            for run in close_orphans(client, experiment):
                print(f"closed: {run.info.run_name}, whose process is gone")
        # The parents first: a run that another sweep finishes from now on counts as ours.
        parents = {
            name: start_parent(
                client,
                experiment,
                name,
                [{**j.run._asdict(), "key": j.key} for j in jobs if j.run.study == name],
                preset=asked.preset,
            )
            for name, experiment in experiments.items()
        }
        status = "KILLED"
        try:
            done = {name: finished_run_ids(client, e) for name, e in experiments.items()}
            todo: dict[tuple[str, str], Job] = {}
            for job in jobs:
                if self.force or job.key not in done[job.run.study]:
                    todo.setdefault((job.run.study, job.key), job)
            print(f"{len(jobs)} runs: {len(jobs) - len(todo)} done before, {len(todo)} to train")

            def launch(batch: Sequence[Job]) -> Sequence[JobReturn]:
                words = [job.overrides(parents[job.run.study]) for job in batch]
                return self.launcher.launch(words, initial_job_idx=0)

            failures: dict[Job, str] = {}
            waiting = list(todo.values())
            follow = {experiments[name]: parent for name, parent in parents.items()}
            if waiting:
                with SweepProgress(client, follow, len(waiting)) as progress:
                    failures = settle(
                        waiting, launch, client, experiments, parents, _workers(self.launcher)
                    )
                    progress.settle(len(failures))
            status = "FAILED" if failures else "FINISHED"
        finally:
            with STOP.held():
                try:
                    await_server(client.tracking_uri, given_up=lambda: STOP.number is not None)
                    sync(client, journals)
                    for name, parent in parents.items():
                        close_orphans(client, experiments[name], sweep=parent)
                        client.set_terminated(parent, status)
                except ConnectionError as error:
                    print(f"{error}: {WAITS}", file=sys.stderr)
                    if STOP.number is None:
                        raise
        self.remembered.keep_published(parents, _print_tables(asked, client, parents))
        kept = {run.data.tags["key"]: run for run in failed_runs(client, follow)}
        return [
            failure(client, kept[job.key]) if job.key in kept else f"failed: {job.name}: {reason}"
            for job, reason in failures.items()
        ]


def _workers(launcher: Launcher) -> int:
    """Return how many runs are trained at once; one where the launcher does not say."""
    return int(getattr(launcher, "workers", 1))


def _require_installed(config: DictConfig) -> None:
    """Refuse a launcher of an extra that is not installed."""
    target = config.hydra.launcher._target_
    if target not in Plugins.instance().class_name_to_class:
        name = config.hydra.runtime.choices["hydra/launcher"]
        raise ConfigError(
            f"hydra/launcher={name} is not installed: make .venv/cluster installs it, or take "
            "hydra/launcher=local"
        )


def _root(asked: Arguments) -> Path:
    return RESULTS if asked.preset else REPOSITORY / "outputs" / "results"


def _print_tables(asked: Arguments, client: Any, parents: dict[str, str]) -> list[Path]:
    """Publish the studies' own sweeps among the committed results, any other in outputs/.

    Return all files that are written of them.
    """
    from cnn_anatomy.report.page import SweepPage
    from cnn_anatomy.report.paper_page import publish_papers
    from cnn_anatomy.report.render import print_table
    from cnn_anatomy.report.study_page import publish_studies
    from cnn_anatomy.tracking.sweep_run import describe

    root = _root(asked)
    written: Sequence[SweepPage]
    if asked.papers:
        written = publish_papers(asked.papers, client, root, parents)
    else:
        written = publish_studies(asked.studies, client, root, parents)
    for each in written:
        describe(client, each.parent, each.note, each.folder)
        print_table(each.table)
        print(f"{each.table.study}: {_told(each.folder)}\n")
    files = [file for each in written for file in sorted(each.folder.iterdir())]
    return files + [ledger for ledger in [root / "README.md"] if ledger.is_file()]


def _told(folder: Path) -> str:
    return f"{folder.relative_to(REPOSITORY)}/README.md"
