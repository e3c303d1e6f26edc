"""A run's key follows the code outside the package that its configuration names."""

import sys
from importlib.metadata import version

import pytest
from helpers import SMALL, composed, environment
from processes import TRAIN, ended, python_path, start

from cnn_anatomy.config.foreign_code import foreign_code, foreign_files
from cnn_anatomy.config.run_key import run_key, run_keys

POOLING = """
from torch import nn
from {package}.scale import FACTOR  # how much

class Own(nn.Module):
    '''Halves, and scales.'''

    conv_stride = 1

    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return x[..., ::2, ::2] * FACTOR
"""
PACKAGE = "users_networks"


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Return a user's package of two modules, on the path, and the overrides that name it."""
    folder = tmp_path / PACKAGE
    folder.mkdir()
    (folder / "pooling.py").write_text(POOLING.format(package=PACKAGE))
    (folder / "scale.py").write_text("FACTOR = 2\n")
    (folder / "unused.py").write_text("FACTOR = 9\n")
    monkeypatch.syspath_prepend(tmp_path)
    yield folder
    sys.modules.pop(PACKAGE, None)


def key():
    return run_key(composed(f"pooling._target_={PACKAGE}.pooling.Own"))


def replace(file, old, new):
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("pooling.py", "* FACTOR", "/ FACTOR"),
        ("pooling.py", "conv_stride = 1", "conv_stride = 2"),
        ("scale.py", "2", "3"),
    ],
)
def test_a_change_of_what_a_users_module_computes_is_another_key(own, file, old, new):
    before = key()
    replace(own / file, old, new)
    assert key() != before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("pooling.py", "# how much", "# by how much"),
        ("pooling.py", "Halves, and scales", "Halves"),
        ("scale.py", "FACTOR = 2", "FACTOR  =  2  # of values"),
        ("unused.py", "9", "8"),
    ],
)
def test_prose_layout_and_what_is_not_imported_do_not_count(own, file, old, new):
    before = key()
    replace(own / file, old, new)
    assert key() == before


def test_an_initialisation_that_names_the_module_counts(own):
    before = key()
    (own / "__init__.py").write_text("import torch\ntorch.set_num_threads(3)\n")
    assert key() != before


def test_the_seeds_of_a_sweep_have_the_same_keys_as_single_runs(own):
    words = f"pooling._target_={PACKAGE}.pooling.Own"
    assert run_keys(composed(words), (0, 3)) == [
        run_key(composed(words, f"seed={s}")) for s in (0, 3)
    ]


def test_the_files_of_the_user_are_those_that_count(own):
    config = {"a": [{"_target_": f"{PACKAGE}.pooling.Own"}], "b": {"_target_": "torch.nn.ReLU"}}
    assert foreign_files(config) == {own / "pooling.py", own / "scale.py"}


def test_an_installed_package_counts_by_its_version_and_ours_and_pythons_own_do_not():
    names = ["torch.nn.ReLU", "yaml.safe_load", "json.loads", "cnn_anatomy.networks.pooling.Max"]
    found = foreign_code([{"_target_": name} for name in names])
    assert found == [f"PyYAML {version('PyYAML')}", f"torch {version('torch').partition('+')[0]}"]


def test_a_class_that_hydra_looks_up_counts(own):
    looked_up = {"_target_": "hydra.utils.get_class", "path": f"{PACKAGE}.scale.FACTOR"}
    assert foreign_files(looked_up) == {own / "scale.py"}


@pytest.mark.slow
@pytest.mark.every_part
def test_a_sweep_trains_again_what_the_user_has_changed_and_nothing_else(own, tmp_path, uri):
    env = environment(tmp_path, uri, PYTHONPATH=python_path(tmp_path))
    words = (f"pooling._target_={PACKAGE}.pooling.Own", "model.depth=8", *SMALL)

    def planned():
        plan = ("hydra.sweeper.plan=true", *words)
        return ended(start(tmp_path, *TRAIN, "--multirun", *plan, env=env))[0]

    ended(start(tmp_path, *TRAIN, "--multirun", *words, env=env))
    assert "1 runs: 1 done" in planned()
    replace(own / "pooling.py", "# how much", "# by how much")
    assert "1 runs: 1 done" in planned()
    replace(own / "scale.py", "2", "3")
    assert "1 to train" in planned()


def test_code_that_is_nested_too_deeply_for_a_normal_form_counts_as_it_is_written(own):
    chain = " + ".join(["0"] * 2000)
    (own / "scale.py").write_text(f"FACTOR = 2 + {chain}\n")
    before = key()
    replace(own / "scale.py", "2 +", "3 +")
    assert key() != before
