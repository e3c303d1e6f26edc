"""The runs that tune the variants of studies, and what these take by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from mlflow import MlflowClient

from cnn_anatomy.results.runs import finished_values
from cnn_anatomy.results.tuning import ACCURACY, Tuning
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.studies.study import Study
from cnn_anatomy.studies.table_layout import Table
from cnn_anatomy.studies.tune import FIRST_SEED, Tune
from cnn_anatomy.sweep.plan import SweepPlan
from cnn_anatomy.sweep.request import SweepRequest


class Trial(NamedTuple):
    """A run of a study's variant with one of the values that it may take."""

    study: str
    variant: str
    value: str
    run: PlannedRun


def tuning_trials(request: SweepRequest) -> list[Trial]:
    """Return a trial for every variant of the studies that are tuned, every value and seed."""
    trials = []
    for study in request.studies:
        if study.tune is None:
            continue
        first: dict[str, PlannedRun] = {}
        for run in request.runs:
            if run.study == study.name:
                first.setdefault(run.variant, run)
        for seed in range(FIRST_SEED, FIRST_SEED + study.tune.seeds):
            for variant, run in first.items():
                trials += [
                    Trial(study.name, variant, value, _tried(study, study.tune, run, value, seed))
                    for value in study.tune.words
                ]
    return trials


def trial_request(request: SweepRequest, trials: Sequence[Trial]) -> SweepRequest:
    """Return the sweep of the trials: of a study without claims for each that is tuned."""
    return SweepRequest(
        studies=tuple(_trial_study(s, s.tune, trials) for s in request.studies if s.tune),
        runs=tuple(trial.run for trial in trials),
        preset=request.preset,
    )


def tuned(request: SweepRequest, trials: Sequence[Trial], plan: SweepPlan) -> SweepRequest | None:
    """Return the request with the values that the variants take, printed; None if trials miss.

    Args:
        request: the studies, some of which are tuned.
        trials: of their variants.
        plan: the sweep of the trials.
    """
    client = MlflowClient(plan.uri)
    accuracies = {s.name: finished_values(client, s.name, ACCURACY) for s in plan.request.studies}
    keys = {job.run: job.key for job in plan.jobs}
    if not all(keys[trial.run] in accuracies[trial.run.study] for trial in trials):
        return None
    tunings = {}
    for study in request.studies:
        if study.tune is not None:
            tunings[study.name] = Tuning.of(
                {
                    "variant": trial.variant,
                    study.tune.by: trial.value,
                    "seed": trial.run.seed,
                    ACCURACY: accuracies[trial.run.study][keys[trial.run]],
                }
                for trial in trials
                if trial.study == study.name
            )
            print(described(study.name, tunings[study.name]))
    runs = tuple(_with_choice(run, tunings.get(run.study)) for run in request.runs)
    return replace(request, runs=runs, tunings=tunings)


def described(study: str, tuning: Tuning) -> str:
    """Return which value each variant takes, a line for each, with all mean accuracies."""
    lines = [f"{study}: {tuning.key} by mean validation accuracy"]
    for variant, means in tuning.means.items():
        tried = ", ".join(f"{value} {mean:.1%}" for value, mean in means.items())
        edge = "; at the edge of the values tried" if variant in tuning.at_the_edge else ""
        lines.append(f"  {variant}: {tuning.chosen[variant]} ({tried}{edge})")
    return "\n".join(lines)


def _tried(study: Study, tune: Tune, run: PlannedRun, value: str, seed: int) -> PlannedRun:
    return run._replace(
        study=study.trials,
        variant=f"{run.variant} {tune.by.split('.')[-1]}={value}",
        seed=seed,
        overrides=(*run.overrides, f"{tune.by}={value}"),
    )


def _trial_study(study: Study, tune: Tune, trials: Sequence[Trial]) -> Study:
    variants = {t.run.variant: t.run.overrides for t in trials if t.study == study.name}
    return Study(
        name=study.trials,
        file=study.file,
        question="",
        reading=f"Each variant of {study.name} with each value of {tune.by}, to choose one.",
        table=Table(rows=("variant",), metrics=(ACCURACY,)),
        variants=variants,
        seeds=tune.seeds,
        figures=(),
    )


def _with_choice(run: PlannedRun, tuning: Tuning | None) -> PlannedRun:
    if tuning is None:
        return run
    return run._replace(overrides=(*run.overrides, f"{tuning.key}={tuning.chosen[run.variant]}"))
