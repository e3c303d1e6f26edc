"""Hydra's sweeper for studies: it reads the command line, refuses mistakes, and plans the runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import cast

from hydra.core.config_loader import ConfigLoader
from hydra.core.plugins import Plugins
from hydra.core.utils import JobReturn
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from cnn_anatomy.config.duration import is_dry_run
from cnn_anatomy.config.run_key import named_files
from cnn_anatomy.config.words import undeferred
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import CONF, add_module_folders, cache, tracking_uri
from cnn_anatomy.core.places import check_cache
from cnn_anatomy.launchers.launcher import SweepLauncher
from cnn_anatomy.sweep.claims import check_metrics, check_sides
from cnn_anatomy.sweep.composition import Overrides, compose_variants, key_jobs
from cnn_anatomy.sweep.download import download_data
from cnn_anatomy.sweep.jobs import Job
from cnn_anatomy.sweep.plan import SweepPlan
from cnn_anatomy.sweep.plan_cache import PlanCache
from cnn_anatomy.sweep.request import SweepRequest, check_until, parse_sweep, with_match
from cnn_anatomy.tracking.store_check import check_store


class StudySweeper(Sweeper):
    """Expands `study=a,b` into the runs of their files, or swept overrides into their product.

    All runs of all studies go to the launcher in one call, so that workers import PyTorch once;
    the trials that tune studies come before, in a call of their own. A run that fails stops no
    other; the exit status is then 1.

    Args:
        seeds: number of seeds per variant; None for the study's own.
        force: whether to train even the runs that are done.
        plan: whether only to print which runs are done, and to train nothing.
        budget: the budget of papers; `study` then names papers.
        setting: the setting of the studies, or `all`; None for the first of each.
        until: `decided`, to add seeds to the variants of claims that are open; None to add none.
        max_seeds: number of seeds per variant up to which they are added.
        match: the cost that all variants are to have in equal measure, `macs` or `parameters`;
            None for what the study's file says.
        match_to: the variant whose cost the others are given.
    """

    def __init__(
        self,
        *,
        seeds: int | None = None,
        force: bool = False,
        plan: bool = False,
        budget: str | None = None,
        setting: str | None = None,
        until: str | None = None,
        max_seeds: int = 24,
        match: str | None = None,
        match_to: str | None = None,
    ) -> None:
        self.seeds = seeds
        self.force = force
        self.plan = plan
        self.budget = budget
        self.setting = setting
        self.until = until
        self.max_seeds = max_seeds
        self.match = match
        self.match_to = match_to

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Instantiate the launcher and keep what the sweep needs (Hydra's hook)."""
        require_launcher(config)
        self.context = hydra_context
        self.common = config
        launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )
        self.study_launcher = cast(SweepLauncher, launcher)

    def sweep(self, arguments: list[str]) -> list[JobReturn]:
        """Run the sweep (Hydra's hook).

        Raises:
            ConfigError: if the sweep makes no sense, before anything is trained.
            SystemExit: with status 1, if a run failed.
        """
        words = undeferred(arguments, self.context.config_loader)
        request = parse_sweep(words, self.seeds, self.budget, self.setting)
        if self.until is not None:
            check_until(request, self.until, self.max_seeds)
        files = [study.file for study in request.studies if study.file is not None]
        add_module_folders(*(file.parent for file in files))
        check_metrics(request.studies)
        if self.match is not None or self.match_to is not None:
            request = with_match(request, self.match, self.match_to)
        names = [name for study in request.studies for name in study.experiments]
        check_cache(cache(self.common.paths.cache))
        check_store(tracking_uri(self.common.tracking.uri), names)
        if request.papers:
            _check_papers(request)
        if any(study.match for study in request.studies):
            request = _matched(request, self.common, self.context.config_loader)
        if any(study.tune for study in request.studies):
            request = self._tuned(request, files)
        failed = self._sweep(request, files) if request.runs else 0
        if failed:
            raise SystemExit(1)
        return []

    def _tuned(self, request: SweepRequest, files: Sequence[Path]) -> SweepRequest:
        """Train the trials that are missing; return the request with the values that they tell.

        Where only a plan is wanted and trials are missing, their plan is printed, and the request
        is returned without the studies that they tune.

        Raises:
            SystemExit: with status 1, if a trial failed otherwise than by diverging.
        """
        from cnn_anatomy.sweep import tuning

        trials = tuning.tuning_trials(request)
        of_trials = tuning.trial_request(request, trials)
        plan_cache = PlanCache(of_trials.runs, self.common, files)
        jobs = plan_cache.load() or self._key(of_trials, self._compose(of_trials), plan_cache)
        plan = self._plan(of_trials, jobs, plan_cache)
        found = tuning.read_tunings(request, trials, plan)
        if self.plan and found is None:
            _print_plan(plan, self.study_launcher)
            print("the runs of what is tuned can be planned once these trials are done")
            return tuning.untuned(request)
        if found is None or (self.force and not self.plan):
            self._compose(tuning.with_first_values(request))  # refuses mistakes before any trial
            tuning.register_tuned(request, plan)
            failed = self._sweep(of_trials, files)
            found = tuning.read_tunings(request, trials, plan)
            if found is None or failed > tuning.diverged(found):
                raise SystemExit(1 if failed else "trials are missing: sweep again")
        return tuning.tuned(request, found)

    def _sweep(self, request: SweepRequest, files: Sequence[Path]) -> int:
        """Print the plan of a request or do what is missing of it; return how many runs failed."""
        plan_cache = PlanCache(request.runs, self.common, files)
        cached = plan_cache.load()
        if self.plan:
            jobs = cached or self._key(request, self._compose(request), plan_cache)
            plan = self._plan(request, jobs, plan_cache)
            _print_plan(plan, self.study_launcher)
            return 0
        if cached is not None and _print_if_finished(self._plan(request, cached, plan_cache)):
            return 0
        # Composed again though cached: files and folders that runs read may be gone.
        variants = self._compose(request)
        plan = self._plan(request, self._key(request, variants, plan_cache), plan_cache)
        key = partial(key_jobs, variants=variants, common=self.common)
        return _execute(replace(plan, key=key), self.study_launcher)

    def _compose(self, request: SweepRequest) -> Mapping[Overrides, DictConfig]:
        """Compose and check all variants, and download their data unless nothing is trained."""
        variants = compose_variants(request.runs, self.common, self.context.config_loader)
        check_sides(request.studies, request.runs, variants)
        if any(is_dry_run(variant.trainer) for variant in variants.values()):
            raise ConfigError(
                "trainer.fast_dev_run records nothing that a sweep could compare: give it without "
                "--multirun"
            )
        if not self.plan:
            download_data(variants.values())
        return variants

    def _key(
        self,
        request: SweepRequest,
        variants: Mapping[Overrides, DictConfig],
        plan_cache: PlanCache,
    ) -> tuple[Job, ...]:
        """Key all runs and cache the plan."""
        jobs = key_jobs(request.runs, variants, self.common)
        plan_cache.save(jobs, named_files(variants.values()))
        return jobs

    def _plan(
        self, request: SweepRequest, jobs: tuple[Job, ...], plan_cache: PlanCache
    ) -> SweepPlan:
        return SweepPlan(
            request,
            jobs,
            uri=tracking_uri(self.common.tracking.uri),
            cache=cache(self.common.paths.cache),
            plan_cache=plan_cache,
            force=self.force,
            most_seeds=self.max_seeds if self.until and _have_claims(request) else None,
        )


def require_launcher(config: DictConfig) -> None:
    """Refuse a launcher that is not installed, or that loses the sweep when a worker dies.

    Raises:
        ConfigError: in both cases.
    """
    name = config.hydra.runtime.choices["hydra/launcher"]
    names = sorted(path.stem for path in (CONF / "hydra" / "launcher").glob("*.yaml"))
    plugin = Plugins.instance().class_name_to_class.get(config.hydra.launcher._target_)
    if plugin is None:
        raise ConfigError(
            f"hydra/launcher={name} is not installed: make .venv/cluster installs it, or take "
            "hydra/launcher=local"
        )
    if not hasattr(plugin, "workers"):  # as SweepLauncher has
        raise ConfigError(
            f"hydra/launcher={name} loses the sweep when a worker dies: choose one of "
            f"{', '.join(names)}"
        )


def _have_claims(request: SweepRequest) -> bool:
    """Return whether the studies have claims; those of trials have none."""
    return any(study.claims for study in request.studies)


# What the functions below import takes seconds, so they do it late: refusals come at once.


def _check_papers(request: SweepRequest) -> None:
    from cnn_anatomy.sweep.publishing import check_papers

    check_papers(request.papers)


def _matched(request: SweepRequest, common: DictConfig, loader: ConfigLoader) -> SweepRequest:
    from cnn_anatomy.sweep.matching import match_costs

    return match_costs(request, common, loader)


def _print_plan(plan: SweepPlan, launcher: SweepLauncher) -> None:
    from cnn_anatomy.sweep.status import print_plan

    print_plan(plan, launcher.workers)


def _print_if_finished(plan: SweepPlan) -> bool:
    from cnn_anatomy.sweep.publishing import print_if_finished

    return print_if_finished(plan)


def _execute(plan: SweepPlan, launcher: SweepLauncher) -> int:
    from cnn_anatomy.sweep.execution import execute

    return execute(plan, launcher)
