"""The matrix of the ledger sums up what claims say of a sentence."""

import pandas as pd

from cnn_anatomy.report.ledger import judge_sweeps
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.study import load_study


def test_a_claim_that_denies_a_sentence_speaks_against_it():
    rows = [
        {"variant": f"{depth} {kind}", "seed": seed, "status": "FINISHED",
         "params.inception.depth": depth, "params.inception": kind,
         "metrics.params/total": size, "metrics.macs": size,
         "metrics.test/accuracy": accuracy + seed / 1000}
        for depth in ("5", "7")
        for kind, size, accuracy in (("reduced", 100, 0.6), ("unreduced", 200, 0.9))
        for seed in range(6)
    ]  # fmt: skip
    study = load_study("inception")
    ledger = judge_sweeps([(study, Sweep("inception", "", pd.DataFrame(rows)))])
    (row,) = [line for line in ledger.matrix.splitlines() if line.startswith("| **i1** ")]
    assert "i1.parameters supported; i1.compute supported; i1.accuracy supported" in row
    assert "| 2 for, 1 against |" in row
    (row,) = [line for line in ledger.matrix.splitlines() if line.startswith("| **p6** ")]
    assert "| 2 open |" in row
