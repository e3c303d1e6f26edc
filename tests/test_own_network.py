"""A network in a user's own package, by the real command: nothing of the repository is touched."""

import sys
from collections import Counter

import pytest
from helpers import SMALL
from mlflow import MlflowClient
from processes import TRAIN, ended, start

NETWORK = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, width, num_classes, in_channels):
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(in_channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU(),
            nn.MaxPool2d(2), nn.Conv2d(width, width, 3, padding=1), nn.ReLU(),
        )
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        return self.fc(self.body(x).mean((2, 3)))
"""
MINE = ("model=own", "model.target=mypkg.nets.Net", *SMALL[1:])


@pytest.fixture
def folder(tmp_path, uri):
    (tmp_path / "mypkg").mkdir()
    (tmp_path / "mypkg" / "nets.py").write_text(NETWORK)
    return tmp_path


def runs(folder, kind="run"):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    (experiment,) = client.search_experiments(filter_string="name = 'adhoc'")
    return client, client.search_runs([experiment.experiment_id], f"tags.kind = '{kind}'")


@pytest.mark.slow
def test_is_swept_frozen_and_transferred(folder):
    swept = ("--multirun", *MINE, "model.args.width=4,6", "freeze=layers", "freeze.layers=1")
    table, _ = ended(start(folder, *TRAIN, *swept))
    assert "model.args.width" in table
    client, found = runs(folder)
    assert sorted(run.data.params["model.args.width"] for run in found) == ["4", "6"]
    for run in found:
        params, metrics = run.data.params, run.data.metrics
        width = int(params["model.args.width"])
        first = width * (9 + 1) + 2 * width  # grey images
        assert metrics["params/total"] == first + width * (9 * width + 1) + 10 * (width + 1)
        assert metrics["params/trainable"] == metrics["params/total"] - first
        assert params["freeze.layers"] == "1"
        assert params.keys().isdisjoint({"pooling", "skip", "norm", "head", "block", "inception"})
    wide = next(run for run in found if run.data.params["model.args.width"] == "6")
    weights = client.download_artifacts(wide.info.run_id, "weights.pt", str(folder))
    from_file = ("model.args.width=6", "transfer=checkpoint", f"transfer.source={weights}")
    ended(start(folder, *TRAIN, *MINE, *from_file, "seed=1"))
    from_run = ("model.args.width=6", "transfer=run", f"transfer.source=runs:/{wide.info.run_id}")
    ended(start(folder, *TRAIN, *MINE, *from_run, "seed=1"))
    first, second, *_ = runs(folder)[1]
    assert first.data.params["transfer"] == "run"
    assert first.data.metrics["test/loss"] == second.data.metrics["test/loss"]
    again, _ = ended(start(folder, *TRAIN, *swept, "hydra.sweeper.plan=true"))
    assert "2 runs: 2 done" in again
    file = folder / "mypkg" / "nets.py"
    file.write_text(NETWORK.replace("nn.ReLU()", "nn.GELU()"))
    changed, _ = ended(start(folder, *TRAIN, *swept, "hydra.sweeper.plan=true"))
    assert "2 runs: 2 stale" in changed


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("model.args.width=4", "pooling=max"), "pooling=Max has no meaning for this model"),
        (("model.args.width=4", "skip=identity"), "skip=Identity has no meaning for this model"),
        (("model.args.widht=4",), "mypkg.nets.Net takes width, num_classes, in_channels (did you"),
        ((), "model.args.width is missing: mypkg.nets.Net needs a value (what"),
    ],
)
def test_mistakes_are_sentences_before_anything_is_imported(folder, words, sentence):
    call = (sys.executable, "-X", "importtime", *TRAIN[1:], *MINE, *words)
    _, errors = ended(start(folder, *call), status=2)
    lines = [line for line in errors.splitlines() if not line.startswith("import time:")]
    assert [sentence in line for line in lines] == [True]
    imported = Counter(line.rpartition("|")[2].strip() for line in errors.splitlines())
    assert not imported["torch"]
    assert not imported["mypkg"]
