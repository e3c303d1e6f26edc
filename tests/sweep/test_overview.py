"""What a sweep's parent run sums up, of a real store with known runs."""

import pytest
from results import store

from cnn_anatomy.results.runs import read_sweep
from cnn_anatomy.sweep.overview import log_overview


@pytest.fixture
def parent(uri):
    """Return the parent run of a sweep whose overview is logged."""
    study = store.study()
    client = store.fill(uri, study, seeds=2)
    sweep = read_sweep(client, "skip")
    log_overview(client, study, sweep, ["supported", "refuted", "supported"])
    return client.get_run(sweep.parent)


def test_means_and_counts_are_metrics(parent):
    metrics = parent.data.metrics
    assert metrics["runs/planned"] == metrics["runs/finished"] == 8
    assert (metrics["claims/supported"], metrics["claims/refuted"]) == (2, 1)
    assert (metrics["best/params/total"], metrics["worst/params/total"]) == (8_000, 20_000)
    assert metrics["best/untrained/gradient/decay"] == pytest.approx(2, abs=0.1)  # nearest zero
    assert metrics["worst/untrained/gradient/decay"] == pytest.approx(5, abs=0.1)
    assert metrics["best/test/accuracy"] == pytest.approx(0.9, abs=0.05)
    assert metrics["worst/test/accuracy"] == pytest.approx(0.68, abs=0.05)


def test_params_are_those_that_all_runs_share(parent):
    params = parent.data.params
    assert params["trainer.max_epochs"] == "5"
    assert params["best.variant"] == f"depth=20 norm={store.EVIL}"
    assert not {"model.depth", "norm", "seed", "variant"} & params.keys()
    assert parent.data.tags["mlflow.source.name"] == "study=skip"
