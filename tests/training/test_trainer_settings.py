"""What Lightning's Trainer takes beside epochs: steps, limits, intervals, and a dry run."""

import subprocess

import pytest
from helpers import SMALL, environment
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from processes import TRAIN

from cnn_anatomy.config.duration import check_batches, check_end, training_steps
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.training.run import run
from cnn_anatomy.training.run_spec import RunSpec

# 5 batches of training, 2 of validation, in every epoch of two.
FIVE_BATCHES = (
    *("data.source.train=100", "data.eval_batch_size=10", "trainer.max_epochs=2"),
    *("trainer.precision=32-true", "model.depth=8"),
)


@pytest.fixture
def history(small, uri):
    """Return a function that trains, and returns the steps at which the store has each metric."""

    def train(*words):
        run(RunSpec.of(small(*FIVE_BATCHES, f"tracking.uri={uri}", *words)))
        client = MlflowClient(uri)
        (stored,) = client.search_runs([client.get_experiment_by_name("adhoc").experiment_id])
        return {
            name: [m.step for m in client.get_metric_history(stored.info.run_id, name)]
            for name in stored.data.metrics
        }

    return train


@pytest.mark.parametrize(
    ("words", "trained", "validated"),
    [
        (["+trainer.max_steps=1"], [1], [1]),
        (["trainer.max_epochs=null", "+trainer.max_steps=13"], [1, 2, 3], [1, 2, 3]),
        (["+trainer.check_val_every_n_epoch=2"], [1, 2], [2]),
        (["+trainer.val_check_interval=2"], [1, 2], [1, 2]),
        (["+trainer.check_val_every_n_epoch=null", "+trainer.val_check_interval=7"], [1, 2], [2]),
        (["+trainer.accumulate_grad_batches=3"], [1, 2], [1, 2]),
    ],
    ids=lambda words: " ".join(map(str, words)),
)
def test_each_epoch_logs_its_training_and_its_last_validation(words, trained, validated, history):
    steps = history(*words)
    assert steps["train/accuracy"] == trained
    assert steps["val/accuracy"] == validated
    assert steps["test/accuracy"] == [0]


def counted(trainer, batches):
    """Return the steps of the optimiser, counted batch by batch."""
    length = min(trainer.get("limit_train_batches", batches), batches)
    last = trainer.get("max_steps", -1)
    steps = 0
    for _ in range(trainer["max_epochs"]):
        for batch in range(1, length + 1):
            steps += batch % trainer.get("accumulate_grad_batches", 1) == 0 or batch == length
            if steps == last:
                return steps
    return steps


SETTINGS = st.fixed_dictionaries(
    {"max_epochs": st.integers(1, 5)},
    optional={
        "max_steps": st.integers(1, 30) | st.just(-1),
        "limit_train_batches": st.integers(1, 8),
        "accumulate_grad_batches": st.integers(1, 4),
    },
)


@given(SETTINGS, st.integers(1, 7))
def test_steps_are_those_of_counting(trainer, batches):
    assert training_steps(trainer, batches) == counted(trainer, batches)


def test_a_fraction_of_the_batches_is_rounded_down():
    assert training_steps({"max_epochs": 1, "limit_train_batches": 0.5}, 5) == 2
    assert training_steps({"max_epochs": 1, "limit_train_batches": 1.0}, 5) == 5
    assert training_steps({"fast_dev_run": True, "max_epochs": 9}, 5) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"max_epochs": None}, "max_epochs=null has no end"),
        ({"max_epochs": None, "max_steps": -1}, "max_epochs=null has no end"),
        ({"max_epochs": 3, "check_val_every_n_epoch": 4}, "=4 is above trainer.max_epochs=3"),
        ({"max_epochs": 3, "check_val_every_n_epoch": None}, "needs trainer.val_check_interval"),
        ({"max_epochs": 1, "limit_val_batches": 0.3}, "limit_val_batches=0.3 of 3 batches is less"),
        ({"max_epochs": 1, "limit_test_batches": 0.4}, "limit_test_batches=0.4 of 2 batches"),
        ({"max_epochs": 1, "val_check_interval": 6}, "val_check_interval=6 is above 5, the batch"),
        (
            {"max_epochs": 1, "limit_train_batches": 2, "val_check_interval": 3},
            "val_check_interval=3 is above 2, the batches",
        ),
        (
            {"max_epochs": None, "max_steps": 6, "check_val_every_n_epoch": 3},
            "check_val_every_n_epoch=3 is above 2, the epochs of trainer.max_steps=6",
        ),
        (
            {"max_epochs": 2, "val_check_interval": 11, "check_val_every_n_epoch": None},
            "val_check_interval=11 is above 10, the batches of training",
        ),
    ],
    ids=str,
)
def test_training_that_does_not_end_or_has_no_validation_is_refused(settings, said):
    def check():
        check_end(settings)
        check_batches(settings, train=5, val=3, tested=[2, 5])

    with pytest.raises(ConfigError, match=said):
        check()


def test_training_that_ends_at_a_step_is_validated_there():
    settings = {"max_epochs": None, "max_steps": 6, "check_val_every_n_epoch": None}
    check_end({**settings, "val_check_interval": 99})
    check_batches({**settings, "val_check_interval": 99}, train=5, val=1, tested=[1, 5])


def test_a_dry_run_is_trained_and_leaves_nothing(tmp_path):
    call = [*TRAIN, *SMALL, "model.depth=8", "trainer.fast_dev_run=true", "transfer=same"]
    process = subprocess.run(
        call, env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert process.returncode == 0, process.stderr
    assert process.stdout.splitlines()[-1] == (
        "dry run: training, validation and testing work; nothing is recorded"
    )
    assert not list(tmp_path.glob("ml*"))
    assert not list(tmp_path.rglob("*.ckpt"))
