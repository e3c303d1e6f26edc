"""The ledger of a sweep: which of its runs are done, and what the others will cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean

from mlflow.entities import Run
from rich.console import Console
from rich.table import Table

from cnn_anatomy.results.runs import is_done
from cnn_anatomy.studies import Planned


@dataclass(frozen=True)
class Entry:
    """One planned run.

    `state` is done, running, failed, stale (done by other code or settings) or missing; params,
    MACs and seconds are those of past runs of the variant, None where there are none.
    """

    run: Planned
    key: str
    state: str
    params: float | None
    macs: float | None
    seconds: float | None


def entries(
    planned: Iterable[tuple[Planned, str]], runs: Mapping[str, Sequence[Run]]
) -> list[Entry]:
    """Return the state of every planned (run, key); `runs` are those in the store, by study."""
    by_key: dict[tuple[str, str], str] = {}
    by_variant: dict[tuple[str, str], list[Run]] = {}
    seeds: set[tuple[str, str, str]] = set()
    for study, found in runs.items():
        for run in found:
            tags = run.data.tags
            running = run.info.status == "RUNNING"
            state = "done" if is_done(run) else "running" if running else "failed"
            known = by_key.setdefault((study, tags.get("key", "")), state)
            if known != "done" and state in ("done", "running"):
                by_key[study, tags.get("key", "")] = state
            if state == "done":
                variant = tags.get("variant", "")
                by_variant.setdefault((study, variant), []).append(run)
                seeds.add((study, variant, run.data.params.get("seed", "")))
    made = []
    for each, key in planned:
        stale = (each.study, each.variant, str(each.seed)) in seeds
        past = by_variant.get((each.study, each.variant), [])
        made.append(
            Entry(
                each,
                key,
                by_key.get((each.study, key), "stale" if stale else "missing"),
                _mean(r.data.metrics.get("params/total") for r in past),
                _mean(r.data.metrics.get("macs") for r in past),
                _mean((r.info.end_time - r.info.start_time) / 1000 for r in past),
            )
        )
    return made


def show(made: Sequence[Entry], workers: int) -> None:
    """Print the ledger, how many runs are in which state, and about how long the rest will take."""
    table = Table("study", "variant", "seed", "state", "params", "MACs", "seconds", "key")
    for e in made:
        run = e.run
        numbers = (f"{v:,.0f}" if v is not None else "–" for v in (e.params, e.macs, e.seconds))
        table.add_row(run.study, run.variant, str(run.seed), e.state, *numbers, e.key)
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


def _mean(values: Iterable[float | None]) -> float | None:
    there = [v for v in values if v is not None]
    return mean(there) if there else None
