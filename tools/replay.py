"""Replays `UNTIL=decided` on the committed runs: which it would have trained, and its verdicts."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from cnn_anatomy.core.paths import PUBLISHED
from cnn_anatomy.report.committed import read_publications
from cnn_anatomy.report.markdown import markdown_table
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.verdicts import INCONCLUSIVE, Verdict, judge_claims, judge_together
from cnn_anatomy.studies.paper import Paper
from cnn_anatomy.studies.study import Study
from cnn_anatomy.sweep.until_decided import BATCH_SEEDS, next_runs

HEADS = (
    *("study", "claims", "runs, 11 seeds", "settled", "runs, until decided", "settled"),
    *("settled by both", "alike"),
)


class Replay(NamedTuple):
    """A study's runs at a fixed number of seeds and until decided, with the verdicts of each."""

    study: Study
    fixed_runs: int
    fixed: list[Verdict]
    spent_runs: int
    spent: list[Verdict]

    @property
    def counts(self) -> list[int]:
        """Return claims, runs and settled claims of each way, settled by both, and alike."""
        pairs = [(a.word, b.word) for a, b in zip(self.fixed, self.spent, strict=True)]
        both = [pair for pair in pairs if INCONCLUSIVE not in pair]
        settled = [sum(pair[way] != INCONCLUSIVE for pair in pairs) for way in (0, 1)]
        return [
            *(len(pairs), self.fixed_runs, settled[0], self.spent_runs, settled[1]),
            *(len(both), sum(a == b for a, b in both)),
        ]


def replay(study: Study, sweep: Sweep) -> Replay:
    """Judge a study by all its committed runs, and by those that `UNTIL=decided` would train.

    Seeds are added up to the committed number. A seed's run is the same however it comes to be
    trained, so that the committed ones stand for those of the replayed sweep.
    """
    most = sweep.seed_count
    planned = study.runs(range(BATCH_SEEDS))
    while True:
        part = _part(sweep, [(run.variant, run.seed) for run in planned])
        spent = _judged(study, part)
        more = next_runs(spent, part, planned, most)
        if not more:
            return Replay(study, len(sweep.runs), _judged(study, sweep), len(planned), spent)
        planned += more


def replays() -> list[Replay]:
    """Replay every committed study, in its first setting."""
    return [
        replay(study, sweep)
        for study, sweep, _ in read_publications(PUBLISHED)
        if not isinstance(study, Paper) and study.name == study.stem
    ]


def replayed() -> str:
    """Return what `UNTIL=decided` spends and decides on the committed runs, study by study."""
    found = replays()
    counts = [replay.counts for replay in found]
    totals = [sum(column) for column in zip(*counts, strict=True)]
    names = [replay.study.name for replay in found]
    rows = [[name, *map(str, row)] for name, row in zip(names, counts, strict=True)]
    return markdown_table(HEADS, [*rows, ["all", *map(str, totals)]], left=1)


def _part(sweep: Sweep, wanted: list[tuple[str, int]]) -> Sweep:
    index = pd.MultiIndex.from_frame(sweep.runs[["variant", "seed"]])
    return replace(sweep, runs=sweep.runs[index.isin(wanted)], until_decided=True)


def _judged(study: Study, sweep: Sweep) -> list[Verdict]:
    return judge_together(judge_claims(study.name, study.claims, sweep))
