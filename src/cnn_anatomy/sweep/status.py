"""The ledger of a sweep: which of its runs are done, and what the others will cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from cnn_anatomy.results.runs import is_done
from cnn_anatomy.studies.study import PlannedRun

NUMBERS = ("metrics.params/total", "metrics.macs")
COSTS = (*NUMBERS, "seconds")


@dataclass(frozen=True)
class Entry:
    """One planned run.

    `state` is done, running, failed, interrupted, stale (done by other code) or missing; params,
    MACs and seconds are those of past runs of the variant, as far as a run's parameters tell: None
    where there are none.
    """

    run: PlannedRun
    key: str
    state: str
    params: float | None
    macs: float | None
    seconds: float | None


def entries(
    planned: Iterable[tuple[PlannedRun, str]], runs: Mapping[str, pd.DataFrame]
) -> list[Entry]:
    """Return the state of every planned (run, key); `runs` are the known ones, by study."""
    states: dict[tuple[str, str], str] = {}
    variants: dict[tuple[str, str], pd.DataFrame] = {}
    for study, found in runs.items():
        if not len(found):
            continue
        # Columns that are not there if no run has got that far are NaN.
        found = found.reindex(
            columns=found.columns.union([*NUMBERS, "params.seed", "tags.resumed"])
        )
        found = found.assign(
            state=np.select(
                [is_done(found), found.status == "RUNNING", found.status == "KILLED"],
                ["done", "running", "interrupted"],
                "failed",
            ),
            # One that was interrupted lay for as long as nobody went on.
            seconds=((found.end_time.astype(float) - found.start_time) / 1000).where(
                found["tags.resumed"].isna()
            ),
        )
        for state in ("failed", "interrupted", "running", "done"):  # what a later one says counts
            keys = found[found.state == state]["tags.key"]
            states |= {(study, key): state for key in keys}
        done = found[found.state == "done"]
        variants |= {
            (study, str(variant)): those for variant, those in done.groupby("tags.variant")
        }
    past: dict[tuple[str, str, tuple[str, ...]], tuple[set[str], list[float | None]]] = {}
    made = []
    for each, key in planned:
        same = (each.study, each.variant, each.overrides)
        if same not in past:
            those = _alike(variants.get(same[:2]), each.overrides)
            past[same] = set(those["params.seed"]), [_mean(those[name]) for name in COSTS]
        seeds, costs = past[same]
        state = states.get((each.study, key), "stale" if str(each.seed) in seeds else "missing")
        made.append(Entry(each, key, state, *costs))
    return made


def _alike(done: pd.DataFrame | None, overrides: Iterable[str]) -> pd.DataFrame:
    """Return those of a variant's runs whose parameters are not other ones than `overrides` say."""
    if done is None:
        return pd.DataFrame(columns=["params.seed", *COSTS])
    words = (word.lstrip("+").partition("=") for word in overrides)
    for key, value in {key: value for key, _, value in words}.items():  # the last one counts
        column = f"params.{key}"
        if column in done:
            done = done[done[column].isna() | (done[column] == value)]
    return done


def show(made: Sequence[Entry], workers: int) -> None:
    """Print the ledger, how many runs are in which state, and about how long the rest will take.

    The runs of a variant that are in the same state share a line.
    """
    alike: dict[tuple[str, str, str], list[Entry]] = {}
    for e in made:
        alike.setdefault((e.run.study, e.run.variant, e.state), []).append(e)
    table = Table("study", "variant", "state", "seeds", "params", "MACs", "seconds each")
    for (study, variant, state), group in alike.items():
        costs = (group[0].params, group[0].macs, group[0].seconds)
        numbers = (f"{v:,.0f}" if v is not None else "–" for v in costs)
        table.add_row(study, variant, state, ranges(e.run.seed for e in group), *numbers)
    console = Console()
    if not console.is_terminal:
        console = Console(width=140)
    console.print(table)
    counts = Counter(e.state for e in made)
    print(f"{len(made)} runs: " + ", ".join(f"{n} {state}" for state, n in counts.most_common()))
    rest = [e.seconds for e in made if e.state not in ("done", "running")]
    known = [s for s in rest if s is not None]
    if known:
        unknown = len(rest) - len(known)
        guess = f", {unknown} of them guessed from the others" if unknown else ""
        total = (sum(known) + unknown * mean(known)) / workers / 60
        print(f"{len(rest)} to train, about {total:.0f} min with {workers} workers{guess}")


def ranges(numbers: Iterable[int]) -> str:
    """Return whole numbers in short, as 0–3, 7."""
    found: list[list[int]] = []
    for number in sorted(set(numbers)):
        if found and number == found[-1][1] + 1:
            found[-1][1] = number
        else:
            found.append([number, number])
    return ", ".join(f"{a}–{b}" if a < b else f"{a}" for a, b in found)


def _mean(values: pd.Series) -> float | None:
    mean = values.astype(float).mean()
    return None if np.isnan(mean) else float(mean)
