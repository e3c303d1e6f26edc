"""Seeds are added where claims are open, and nowhere else."""

import sys

import numpy as np
import pandas as pd
import pytest
from checkouts import command, commit, copied, git
from helpers import SMALL
from processes import TRAIN

from cnn_anatomy.results.run_table import read_run_table
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.verdicts import judge_claims, judge_together
from cnn_anatomy.studies.claim import Claim
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.sweep.until_decided import next_runs

MEANS = {"a": 0.9, "b": 0.5, "c": 0.5}


def claim(name, metric, treatment, control):
    return Claim(
        id=name,
        statement="It helps.",
        source="someone",
        metric=metric,
        better="higher",
        matters=0.01,
        treatment={"variant": treatment},
        control={"variant": control},
    )


LARGE = claim("large", "test/accuracy", "a", "b")  # an effect of 40 points
NOTHING = claim("nothing", "test/accuracy", "c", "b")
COUNTS = claim("counts", "macs", "a", "c")


def swept(planned):
    """Return finished runs of `planned`, whose accuracies differ by 5 points between seeds."""
    rows = []
    for run in planned:
        random = np.random.default_rng([run.seed, ord(run.variant)])
        accuracy = random.normal(MEANS[run.variant], 0.05)
        rows.append({"variant": run.variant, "seed": run.seed, "status": "FINISHED",
                     "metrics.test/accuracy": accuracy, "metrics.macs": 7.0})  # fmt: skip
    return Sweep("s", "", pd.DataFrame(rows), until_decided=True)


def followed(claims, most):
    """Return the numbers of seeds by variant when no claim needs more, and the verdicts."""
    planned = [PlannedRun("s", variant, seed, ()) for seed in range(3) for variant in MEANS]
    while True:
        sweep = swept(planned)
        verdicts = judge_together(judge_claims("s", claims, sweep))
        more = next_runs(verdicts, sweep, planned, most)
        if not more:
            seeds = sweep.runs.groupby("variant").seed
            assert (seeds.max() + 1 == seeds.size()).all()  # none is left out
            return seeds.size().to_dict(), [v.word for v in verdicts]
        planned += more


def test_a_large_effect_needs_few_seeds_and_only_of_its_own_variants():
    seeds, words = followed([LARGE, COUNTS], most=24)
    assert words == ["supported", "refuted"]
    assert seeds["a"] == seeds["b"] <= 9
    assert seeds["c"] == 3  # counts are decided at once


def test_what_no_number_of_seeds_decides_ends_at_the_limit():
    seeds, words = followed([LARGE, NOTHING], most=13)
    assert words == ["supported", "inconclusive"]
    assert seeds["b"] == seeds["c"] == 13
    assert seeds["a"] < 13


STUDY = f"""question: Which pooling?
reading: The higher, the better.
overrides: [model.depth=8, {", ".join(SMALL)}]
grid: {{pooling: [max, avg, none]}}
seeds: 1
table: {{rows: [pooling], metrics: [test/accuracy, macs]}}
figures: [accuracy]
claims:
  - id: x1
    statement: Max pooling saves compute.
    source: someone
    metric: macs
    better: lower
    treatment: {{pooling: max}}
    control: {{pooling: none}}
    matters: 1
  - id: x2
    statement: Max pooling is better than average pooling.
    source: someone
    metric: test/accuracy
    better: higher
    treatment: {{pooling: max}}
    control: {{pooling: avg}}
    matters: 0.01
"""


@pytest.mark.slow
@pytest.mark.every_part
def test_the_command_adds_seeds_where_a_claim_is_open(tmp_path):
    checkout = tmp_path / "checkout"
    copied(checkout, STUDY)
    sweep = (*TRAIN, "--multirun", "study=tiny", "hydra.sweeper.until=decided",
             "hydra.sweeper.max_seeds=3")  # fmt: skip
    first, _ = command(checkout, *sweep)
    assert "tiny: 1 of 2 claims decided, open: x2; 4 more runs" in first
    assert "4 runs: 0 done before, 4 to train" in first
    page = (checkout / "outputs" / "results" / "tiny" / "README.md").read_text()
    assert "7 runs: 3 variants, 1 to 3 seeds each: seeds were added until the claims" in page
    assert "**Inconclusive** (3 seeds are too few for a 95 % interval)" in page

    again, _ = command(checkout, *sweep)  # judges again, and trains nothing
    assert "3 runs: 3 done before, 0 to train" in again
    assert "4 runs: 4 done before, 0 to train" in again

    report = (sys.executable, "-m", "cnn_anatomy.report")
    command(checkout, *report, "publish", "tiny")
    committed = checkout / "experiments" / "results" / "tiny"
    assert read_run_table(committed / "runs.csv", "tiny").until_decided
    assert "3 seeds are too few" in (committed / "README.md").read_text()
    commit(checkout)
    command(checkout, *report, "verdicts")
    assert git(checkout, "status", "--porcelain") == ""
