"""A run's key changes with what determines its result, and with nothing else."""

import pytest
from helpers import composed

from cnn_anatomy.config.run_key import run_key, run_keys


@pytest.mark.parametrize(
    "irrelevant",
    [
        *("study=skip", "variant=x", "paths.cache=/x", "tracking.parent=abc"),
        *("trainer.accelerator=cpu", "trainer.devices=2", "trainer.strategy=ddp"),
        "+trainer.num_nodes=2",
    ],
)
def test_names_paths_and_hardware_do_not_count(irrelevant):
    assert run_key(composed(irrelevant)) == run_key(composed())


@pytest.mark.parametrize(
    "relevant",
    [
        "seed=1",
        "pooling=max",
        "model.width=17",
        "optimizer.lr=0.2",
        "data.source.seed=1",
        "threads=2",
    ],
)
def test_all_else_does(relevant):
    assert run_key(composed(relevant)) != run_key(composed())


def test_a_default_that_is_spelt_out_does_not_count():
    assert run_key(composed("model.depth=20", "skip=identity")) == run_key(composed())


def test_the_keys_of_many_seeds_are_those_of_each():
    config = composed("transfer=classes", "data.classes=[5,6]")
    expected = [
        run_key(composed("transfer=classes", "data.classes=[5,6]", f"seed={s}")) for s in (0, 1, 7)
    ]
    assert run_keys(config, (0, 1, 7)) == expected
