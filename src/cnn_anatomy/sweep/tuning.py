"""The runs that tune the variants of studies, and what these take by them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import isnan, nan
from typing import NamedTuple

from mlflow import MlflowClient

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.results.run_files import StoredFiles
from cnn_anatomy.results.runs import is_done
from cnn_anatomy.results.tuning import ACCURACY, Tuning
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.studies.study import Study
from cnn_anatomy.studies.table_layout import Table
from cnn_anatomy.studies.tune import FIRST_SEED, Tune
from cnn_anatomy.sweep.plan import SweepPlan
from cnn_anatomy.sweep.registering import register_claims
from cnn_anatomy.sweep.request import SweepRequest
from cnn_anatomy.tracking.run_cache import read_runs
from cnn_anatomy.tracking.store import prepare

DIVERGED = "FloatingPointError"  # how the reason begins of a run whose loss is not finite


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


def read_tunings(
    request: SweepRequest, trials: Sequence[Trial], plan: SweepPlan
) -> dict[str, Tuning] | None:
    """Return how the studies of a request were tuned; None if any trial is missing.

    Args:
        request: the studies, some of which are tuned.
        trials: of their variants.
        plan: the sweep of the trials.
    """
    accuracies = _accuracies(plan)
    keys = {job.run: job.key for job in plan.jobs}
    if not all(keys[trial.run] in accuracies for trial in trials):
        return None
    return {
        study.name: Tuning.of(
            {
                "variant": trial.variant,
                study.tune.by: trial.value,
                "seed": trial.run.seed,
                ACCURACY: accuracies[keys[trial.run]],
            }
            for trial in trials
            if trial.study == study.name
        )
        for study in request.studies
        if study.tune is not None
    }


def diverged(tunings: Mapping[str, Tuning]) -> int:
    """Return how many trials diverged."""
    return sum(int(tuning.trials[ACCURACY].isna().sum()) for tuning in tunings.values())


def tuned(request: SweepRequest, tunings: Mapping[str, Tuning]) -> SweepRequest:
    """Print the values that the variants take, and return the request with them.

    Raises:
        ConfigError: if a variant diverged with every value.
    """
    for study, tuning in tunings.items():
        print(tuning_lines(study, tuning))
        for variant in tuning.means:
            if variant not in tuning.chosen:
                raise ConfigError(
                    f"{study}: trials of the variant {variant} diverged with every {tuning.key}, "
                    f"{', '.join(tuning.values)}: give others in tune.values"
                )
    runs = tuple(_with_choice(run, tunings.get(run.study)) for run in request.runs)
    return replace(request, runs=runs, tunings=tunings)


def register_tuned(request: SweepRequest, plan: SweepPlan) -> None:
    """Register the claims of the studies that are tuned, before the first trial of `plan`."""
    studies = [study for study in request.studies if study.tune is not None]
    notes = request.descriptions
    experiments = {s.name: prepare(plan.uri, s.name, notes[s.name]) for s in studies}
    register_claims(MlflowClient(plan.uri), experiments, studies)


def with_first_values(request: SweepRequest) -> SweepRequest:
    """Return the request with the first value of each tuned key, to be checked before any trial."""
    words = {study.name: f"{t.by}={t.words[0]}" for study in request.studies if (t := study.tune)}
    runs = (
        run._replace(overrides=(*run.overrides, words[run.study])) if run.study in words else run
        for run in request.runs
    )
    return replace(request, runs=tuple(runs))


def untuned(request: SweepRequest) -> SweepRequest:
    """Return the request without the studies that are tuned."""
    studies = tuple(study for study in request.studies if study.tune is None)
    names = {study.name for study in studies}
    return replace(
        request, studies=studies, runs=tuple(run for run in request.runs if run.study in names)
    )


def tuning_lines(study: str, tuning: Tuning) -> str:
    """Return which value each variant takes, a line for each, with all mean accuracies."""
    lines = [f"{study}: {tuning.key} by mean validation accuracy"]
    for variant, means in tuning.means.items():
        tried = ", ".join(
            f"{value} {'diverged' if isnan(mean) else f'{mean:.1%}'}"
            for value, mean in means.items()
        )
        end = "; at an end of the values tried" if variant in tuning.at_an_end else ""
        lines.append(f"  {variant}: {tuning.chosen.get(variant, 'none')} ({tried}{end})")
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


def _accuracies(plan: SweepPlan) -> dict[str, float]:
    """Return the accuracy of each trial that is done by its key, NaN if it diverged.

    It is the highest of all validations, as the weights of that epoch are tested. Of several runs
    of a trial, the latest counts.
    """
    client = MlflowClient(plan.uri)
    files = StoredFiles(client)
    keys = {job.key for job in plan.jobs}
    found: dict[str, float] = {}
    for study in plan.request.studies:
        experiment = client.get_experiment_by_name(study.name)
        if experiment is None:
            continue
        runs = read_runs(client, experiment.experiment_id)
        columns = ["tags.key", "tags.reason", "run_id"]
        rows = runs.assign(done=is_done(runs)).reindex(columns=[*columns, "status", "done"])[::-1]
        for key, reason, run, status, done in rows.itertuples(index=False, name=None):
            if key in keys and done:
                found[key] = float(files.history(run, ACCURACY).max())
            elif key in keys and status == "FAILED" and str(reason).startswith(DIVERGED):
                found[key] = nan
    return found
