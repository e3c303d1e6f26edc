"""A run that was stopped or killed goes on to the bits that it would have had."""

import os
import signal
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from mlflow import MlflowClient

from cnn_anatomy.core.interrupts import Stopped
from cnn_anatomy.training import run as one_run
from cnn_anatomy.training.checkpointing import EpochCheckpoint
from cnn_anatomy.training.run import run

EPOCHS = (
    *("model.depth=8", "aux=heads", "pooling=stochastic", "freeze=gradual"),
    "trainer.max_epochs=4",
)


@pytest.fixture
def trained(small, tmp_path, monkeypatch, new_store):
    """Return a function that trains in a store of its own, and what the store then holds."""
    weights = {}

    def fit(*arguments, **settings):
        metrics, state = original(*arguments, **settings)
        weights.update(state)
        return metrics, state

    original = one_run.fit
    monkeypatch.setattr(one_run, "fit", fit)

    def train(folder, *overrides):
        there = (tmp_path / folder / "mlflow.db").exists()
        uri = f"sqlite:///{tmp_path}/{folder}/mlflow.db" if there else new_store(tmp_path / folder)
        cache = tmp_path / folder / "cache"
        config = small(*EPOCHS, "trainer.precision=32-true", f"tracking.uri={uri}", *overrides)
        config.paths.cache = str(cache)
        run(config, {}, progress=False)
        client = MlflowClient(uri)
        (found,) = client.search_runs([client.get_experiment_by_name("adhoc").experiment_id])
        history = {
            (name, m.step): m.value
            for name in found.data.metrics
            if not name.startswith("speed/")
            for m in client.get_metric_history(found.info.run_id, name)
        }
        count = sum(
            len(client.get_metric_history(found.info.run_id, name))
            for name in found.data.metrics
            if not name.startswith("speed/")
        )
        path = client.download_artifacts(found.info.run_id, "gradients.parquet", str(tmp_path))
        return SimpleNamespace(
            weights=dict(weights),
            history=history,
            count=count,
            gradients=pd.read_parquet(path),
            run=found,
            left=list((cache / "checkpoints").rglob("*.ckpt")),
        )

    return train


def test_a_resumed_run_is_bit_for_bit_the_uninterrupted(trained, monkeypatch):
    whole = trained("whole")

    def stop(self, trainer, module):
        saved(self, trainer, module)
        if trainer.current_epoch == 1:
            os.kill(os.getpid(), signal.SIGINT)

    saved = EpochCheckpoint.on_train_epoch_end
    with monkeypatch.context() as patched:
        patched.setattr(EpochCheckpoint, "on_train_epoch_end", stop)
        with pytest.raises(Stopped):
            trained("resumed")
    epochs = []
    monkeypatch.setattr(
        EpochCheckpoint,
        "on_train_epoch_start",
        lambda self, trainer, module: epochs.append(trainer.current_epoch),
    )
    resumed = trained("resumed")  # one run in the store: the same
    assert epochs == [2, 3]
    assert resumed.run.info.status == "FINISHED"
    assert "reason" not in resumed.run.data.tags
    assert resumed.weights.keys() == whole.weights.keys()
    assert all(torch.equal(resumed.weights[k], whole.weights[k]) for k in whole.weights)
    assert resumed.history == whole.history
    assert resumed.count == len(resumed.history)  # no step twice
    pd.testing.assert_frame_equal(resumed.gradients, whole.gradients, check_exact=True)
    assert not whole.left
    assert not resumed.left


def test_a_loss_that_is_not_finite_ends_the_run(trained, monkeypatch):
    epochs = []
    monkeypatch.setattr(
        EpochCheckpoint,
        "on_train_epoch_start",
        lambda self, trainer, module: epochs.append(trainer.current_epoch),
    )
    with pytest.raises(FloatingPointError, match="it diverged"):
        trained("diverged", "pooling=max", "optimizer.lr=1e30", "trainer.max_epochs=50")
    assert len(epochs) < 50
