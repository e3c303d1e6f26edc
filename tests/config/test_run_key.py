"""A run's key changes with what determines its result, and with nothing else."""

import itertools

import pytest
from helpers import composed
from omegaconf import OmegaConf, open_dict

from cnn_anatomy.config.run_key import BOOKKEEPING, FILES, PLACEMENT, counting, run_key, run_keys
from cnn_anatomy.core.paths import CONF


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


def test_surgery_counts():
    model = "model=torchvision"
    keys = [
        run_key(composed(model, *words))
        for words in ((), ("pooling@surgery.pooling=max",), ("norm@surgery.norm=group",))
    ]
    assert len(set(keys)) == 3
    assert run_key(composed(model, "++surgery.pooling=null")) == keys[0]


def test_a_default_that_is_spelt_out_does_not_count():
    assert run_key(composed("model.depth=20", "skip=identity")) == run_key(composed())


def test_the_keys_of_many_seeds_are_those_of_each():
    config = composed("transfer=classes", "data.classes=[5,6]")
    expected = [
        run_key(composed("transfer=classes", "data.classes=[5,6]", f"seed={s}")) for s in (0, 1, 7)
    ]
    assert run_keys(config, (0, 1, 7)) == expected


@pytest.mark.parametrize("value", ["${sum:${seed},-5}", "w${seed}.pt"])
def test_the_keys_of_many_seeds_are_those_of_each_whatever_follows_from_the_seed(value):
    config = composed()
    with open_dict(config):
        config.optimizer.extra = value
    each = [OmegaConf.merge(config, {"seed": seed}) for seed in (0, 1, 7)]
    assert run_keys(config, (0, 1, 7)) == list(map(run_key, each))


def test_the_module_of_our_own_classes_does_not_count():
    moved = composed("pooling=max")
    moved.pooling._target_ = "cnn_anatomy.elsewhere.Max"
    assert run_key(moved) == run_key(composed("pooling=max"))


def test_the_module_of_others_classes_counts():
    moved = composed()
    moved.optimizer._target_ = "elsewhere.SGD"
    assert run_key(moved) != run_key(composed())


@pytest.mark.parametrize(
    "group", sorted(path.name for path in CONF.iterdir() if path.is_dir() and path.name != "hydra")
)
def test_no_two_options_of_a_group_count_as_the_same(group):
    options = {f.name: counting(OmegaConf.to_container(OmegaConf.load(f))) for f in files(group)}
    for (name, one), (other, another) in itertools.combinations(options.items(), 2):
        assert one != another, f"{name} and {other}"


def test_every_key_that_is_named_here_exists():
    train = OmegaConf.load(CONF / "train.yaml")
    assert set(train) >= BOOKKEEPING
    for group, key in FILES:
        assert any(key in OmegaConf.load(file) for file in files(group))
    keys = {key for file in CONF.glob("*/*.yaml") for key in every_key(OmegaConf.load(file))}
    optional = {"num_nodes"}  # Lightning's, which conf/ leaves at its default
    assert keys >= PLACEMENT - optional


def files(group):
    return sorted((CONF / group).glob("*.yaml"))


def every_key(node):
    """Yield the keys of a configuration at all depths."""
    for key in node:
        yield str(key)
        if OmegaConf.is_dict(node._get_node(key)):
            yield from every_key(node._get_node(key))
