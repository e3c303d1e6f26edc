"""A run that was interrupted resumes, and ends with the bits of an uninterrupted one."""

import os
import signal
from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from lightning.pytorch.callbacks import Checkpoint
from mlflow import MlflowClient
from mlflow.tracking._tracking_service.utils import _artifact_repos_cache

from cnn_anatomy.core.interrupts import Stopped
from cnn_anatomy.training.run import run
from cnn_anatomy.training.run_spec import RunSpec

WORDS = (
    *("model.depth=8", "aux=heads", "pooling=stochastic", "freeze=gradual"),
    *("trainer.max_epochs=4", "trainer.precision=32-true"),
    "+callbacks.interrupt._target_=test_checkpointing.Interrupt",
)


class Interrupt(Checkpoint):  # such callbacks come last, so that the epoch is saved
    """Keeps which epochs began; sends Ctrl-C after the second, once, if armed."""

    epochs: list[int] = []
    armed = False

    def on_train_epoch_start(self, trainer, module):
        self.epochs.append(trainer.current_epoch)

    def on_train_epoch_end(self, trainer, module):
        if Interrupt.armed and trainer.current_epoch == 1:
            Interrupt.armed = False
            os.kill(os.getpid(), signal.SIGINT)


@pytest.fixture
def train(small, tmp_path, new_store):
    """Return a function that trains in a store of its own, and returns what the store then has."""
    Interrupt.epochs.clear()
    Interrupt.armed = False

    def train(folder, *overrides):
        exists = (tmp_path / folder / "mlflow.db").exists()
        uri = f"sqlite:///{tmp_path}/{folder}/mlflow.db" if exists else new_store(tmp_path / folder)
        cache = tmp_path / folder / "cache"
        words = (*WORDS, f"tracking.uri={uri}", f"paths.cache={cache}", *overrides)
        run(RunSpec.of(small(*words)))
        client = MlflowClient(uri)
        (stored,) = client.search_runs([client.get_experiment_by_name("adhoc").experiment_id])

        def artifact(name):
            return client.download_artifacts(stored.info.run_id, name, str(tmp_path / folder))

        history = [
            (name, m.step, m.value)
            for name in stored.data.metrics
            if not name.startswith("speed/")
            for m in client.get_metric_history(stored.info.run_id, name)
        ]
        return SimpleNamespace(
            weights=torch.load(artifact("weights.pt"), weights_only=True),
            history=history,
            gradients=pd.read_parquet(artifact("gradients.parquet")),
            run=stored,
            checkpoints=list((cache / "checkpoints").rglob("*.ckpt")),
        )

    return train


MORE = {
    "epochs": (),
    "steps": ("trainer.max_epochs=null", "+trainer.max_steps=7", "+trainer.val_check_interval=1"),
    "seldom validated": ("+trainer.check_val_every_n_epoch=3",),
    "through epochs": ("+trainer.check_val_every_n_epoch=null", "+trainer.val_check_interval=3"),
}


@pytest.mark.parametrize("more", MORE.values(), ids=MORE)
def test_a_resumed_run_is_bit_for_bit_the_uninterrupted(more, train, tmp_path):
    first_epochs = "callbacks.selection.mode=min"  # the worst weights: those before the resumption
    whole = train("whole", first_epochs, *more)
    Interrupt.armed = True
    with pytest.raises(Stopped):
        train("resumed", first_epochs, *more)
    Interrupt.epochs.clear()
    (tmp_path / "resumed").rename(tmp_path / "its new place")
    _artifact_repos_cache.clear()  # as in a process that goes on
    resumed = train("its new place", first_epochs, *more)  # the store still has one run
    assert Interrupt.epochs == [2, 3]
    assert resumed.run.info.status == "FINISHED"
    assert "reason" not in resumed.run.data.tags
    assert resumed.weights.keys() == whole.weights.keys()
    assert all(torch.equal(resumed.weights[k], whole.weights[k]) for k in whole.weights)
    assert sorted(resumed.history) == sorted(whole.history)  # no step is logged twice
    pd.testing.assert_frame_equal(resumed.gradients, whole.gradients, check_exact=True)
    assert not whole.checkpoints
    assert not resumed.checkpoints


def test_a_loss_that_is_not_finite_ends_the_run(train):
    words = ("pooling=max", "optimizer.lr=1e30", "trainer.max_epochs=50")
    with pytest.raises(FloatingPointError, match=r"train/loss is nan after \d+ epochs"):
        train("diverged", *words)
    assert len(Interrupt.epochs) < 50


def test_without_a_selection_the_last_weights_are_tested(train):
    epochs = "trainer.max_epochs=2"
    last = train("last", "~callbacks.selection", epochs)
    assert last.history == train("again", "~callbacks.selection", epochs).history
    assert last.run.data.metrics.keys() >= {"test/accuracy", "gap/accuracy"}
