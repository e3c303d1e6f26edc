"""The dry run of a sweep: which of its runs are done, and what the others will cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
import pandas as pd
from mlflow import MlflowClient
from rich.console import Console
from rich.table import Table

from cnn_anatomy.results.runs import is_done
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.sweep.jobs import Job
from cnn_anatomy.sweep.plan import SweepPlan
from cnn_anatomy.tracking.run_cache import read_runs
from cnn_anatomy.tracking.store import prepare

SIZES = ("metrics.params/total", "metrics.macs")
COSTS = (*SIZES, "seconds")
# From the weakest to the strongest: a key may have runs in several states.
STATES = ("failed", "interrupted", "running", "done")


@dataclass(frozen=True)
class JobStatus:
    """The state and the cost of one planned run.

    Args:
        run: the run.
        state: done, running, failed, interrupted, stale (done by other code) or missing.
        params: parameters of the network, as in past runs of the variant; None without any.
        macs: multiply–adds per image, likewise.
        seconds: duration of a run, the mean of past runs that were never interrupted.
    """

    run: PlannedRun
    state: str
    params: float | None
    macs: float | None
    seconds: float | None


def print_plan(plan: SweepPlan, workers: int) -> None:
    """Print the status of every run of `plan`, and how long `workers` will take for the rest."""
    experiments = {
        study: prepare(plan.uri, study, note) for study, note in plan.request.descriptions.items()
    }
    client = MlflowClient(plan.uri)  # `prepare` comes first: it makes the schema under a lock
    runs = {study: read_runs(client, experiment) for study, experiment in experiments.items()}
    print_statuses(job_statuses(plan.jobs, runs), workers)


def job_statuses(jobs: Iterable[Job], runs: Mapping[str, pd.DataFrame]) -> list[JobStatus]:
    """Return the status of every job, given the frame of `read_runs` for each study."""
    states: dict[tuple[str, str], str] = {}
    done: dict[tuple[str, str], pd.DataFrame] = {}
    for study, frame in runs.items():
        if not len(frame):
            continue
        frame = _with_states(frame)
        for state in STATES:  # later states win
            states |= {(study, key): state for key in frame[frame.state == state]["tags.key"]}
        by_variant = frame[frame.state == "done"].groupby("tags.variant")
        done |= {(study, str(variant)): group for variant, group in by_variant}
    past: dict[tuple[str, str, tuple[str, ...]], tuple[set[str], list[float | None]]] = {}
    statuses = []
    for job in jobs:
        run = job.run
        variant = (run.study, run.variant, run.overrides)
        if variant not in past:
            similar = _with_same_params(done.get(variant[:2]), run.overrides)
            past[variant] = set(similar["params.seed"]), [_mean(similar[name]) for name in COSTS]
        seeds, costs = past[variant]
        otherwise = "stale" if str(run.seed) in seeds else "missing"
        statuses.append(JobStatus(run, states.get((run.study, job.key), otherwise), *costs))
    return statuses


def _with_states(runs: pd.DataFrame) -> pd.DataFrame:
    """Return `runs` with the columns `state` and `seconds`, and all that COSTS and seeds need."""
    # A column is absent if no run has got far enough to log it.
    runs = runs.reindex(columns=runs.columns.union([*SIZES, "params.seed", "tags.resumed"]))
    seconds = (runs.end_time.astype(float) - runs.start_time) / 1000
    is_state = [is_done(runs), runs.status == "RUNNING", runs.status == "KILLED"]
    return runs.assign(
        state=np.select(is_state, ["done", "running", "interrupted"], "failed"),
        # A resumed run also counts the time until somebody resumed it.
        seconds=seconds.where(runs["tags.resumed"].isna()),
    )


def _with_same_params(done: pd.DataFrame | None, overrides: Iterable[str]) -> pd.DataFrame:
    """Return the runs of a variant whose logged parameters do not contradict `overrides`."""
    if done is None:
        return pd.DataFrame(columns=["params.seed", *COSTS])
    words = (word.lstrip("+").partition("=") for word in overrides)
    for key, value in {key: value for key, _, value in words}.items():  # the last one wins
        column = f"params.{key}"
        if column in done:
            done = done[done[column].isna() | (done[column] == value)]
    return done


def print_statuses(statuses: Sequence[JobStatus], workers: int) -> None:
    """Print a table of `statuses`, the runs per state, and an estimate of the time for the rest.

    The runs of a variant that are in the same state share a line.
    """
    groups: dict[tuple[str, str, str], list[JobStatus]] = {}
    for status in statuses:
        groups.setdefault((status.run.study, status.run.variant, status.state), []).append(status)
    table = Table("study", "variant", "state", "seeds", "params", "MACs", "seconds each")
    for (study, variant, state), group in groups.items():
        costs = (group[0].params, group[0].macs, group[0].seconds)
        cells = (f"{cost:,.0f}" if cost is not None else "–" for cost in costs)
        table.add_row(study, variant, state, abbreviate(s.run.seed for s in group), *cells)
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(table)
    counts = Counter(status.state for status in statuses)
    print(
        f"{len(statuses)} runs: " + ", ".join(f"{n} {state}" for state, n in counts.most_common())
    )
    _print_estimate([s.seconds for s in statuses if s.state not in ("done", "running")], workers)


def _print_estimate(seconds: Sequence[float | None], workers: int) -> None:
    """Print how long runs of so many `seconds` take, None being a run without a past one."""
    measured = [s for s in seconds if s is not None]
    if not measured:
        return
    guessed = len(seconds) - len(measured)
    hint = f", {guessed} of them guessed from the others" if guessed else ""
    minutes = (sum(measured) + guessed * mean(measured)) / workers / 60
    print(f"{len(seconds)} to train, about {minutes:.0f} min with {workers} workers{hint}")


def abbreviate(numbers: Iterable[int]) -> str:
    """Return whole numbers in short, as in `0–3, 7`."""
    ranges: list[list[int]] = []
    for number in sorted(set(numbers)):
        if ranges and number == ranges[-1][1] + 1:
            ranges[-1][1] = number
        else:
            ranges.append([number, number])
    return ", ".join(f"{a}–{b}" if a < b else f"{a}" for a, b in ranges)


def _mean(values: pd.Series) -> float | None:
    mean = values.astype(float).mean()
    return None if np.isnan(mean) else float(mean)
