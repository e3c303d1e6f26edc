"""Adding seeds to the variants of claims that are still open."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from cnn_anatomy.report.ledger import judge_all_claims
from cnn_anatomy.results.runs import Sweep, read_sweep
from cnn_anatomy.results.verdicts import Verdict, side_runs
from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.studies.study import Study
from cnn_anatomy.tracking.sweep_run import OpenSweep

BATCH_SEEDS = 3  # seeds that a variant gets between two looks


def missing_seeds(
    studies: Sequence[Study], planned: Sequence[PlannedRun], sweep: OpenSweep, most: int
) -> list[PlannedRun]:
    """Judge all claims, print which are open, and return the runs that these need next.

    Args:
        studies: the studies that are swept.
        planned: all runs of the sweep so far, which are done.
        sweep: the sweep.
        most: number of seeds that a variant may have.
    """
    found = [(s, read_sweep(sweep.client, s.name, sweep.parents[s.name])) for s in studies]
    ledger = judge_all_claims(sweep.client, found)
    runs = []
    for study, own in found:
        verdicts = [v for v in ledger.verdicts if v.study == study.name]
        still_open = [v.claim.id for v in verdicts if v.is_open]
        more = next_runs(verdicts, own, [r for r in planned if r.study == study.name], most)
        runs += more
        print(
            f"{study.name}: {len(verdicts) - len(still_open)} of {len(verdicts)} claims decided"
            + (f", open: {', '.join(still_open)}; {len(more)} more runs" if still_open else "")
        )
    return runs


def next_runs(
    verdicts: Iterable[Verdict], sweep: Sweep, planned: Sequence[PlannedRun], most: int
) -> list[PlannedRun]:
    """Return the runs that the open claims of a study need next: at most BATCH_SEEDS a variant.

    The variants of a claim get the same seeds, so that none is seen before the others.

    Args:
        verdicts: on the claims of one study.
        sweep: its sweep so far.
        planned: the runs of that sweep.
        most: number of seeds that a variant may have.
    """
    first = {run.variant: run for run in reversed(planned)}
    seeds = {variant: sum(run.variant == variant for run in planned) for variant in first}
    wanted = dict(seeds)
    for verdict in verdicts:
        if verdict.is_open:
            variants = _variants(verdict.claim, sweep)
            count = min(min(seeds[v] for v in variants) + BATCH_SEEDS, most)
            wanted |= {v: max(count, wanted[v]) for v in variants}
    return [
        first[variant]._replace(seed=seed)
        for seed in range(most)
        for variant in first
        if seeds[variant] <= seed < wanted[variant]
    ]


def _variants(claim: Claim, sweep: Sweep) -> set[str]:
    """Return the variants that the claim's sides pick."""
    return {
        variant
        for side in claim.sides
        if not isinstance(side.where, int | float)
        for variant in side_runs(sweep, side.where).variant
    }
