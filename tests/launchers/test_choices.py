"""Which launchers Hydra offers, and which of them a sweep accepts."""

import subprocess
import sys
from importlib.util import find_spec

import pytest
from helpers import SMALL, environment
from hydra import compose, initialize_config_dir

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import CONF
from cnn_anatomy.sweep.sweeper import require_launcher

CHOICES = "local, ray, slurm"


def sweep(folder, *words):
    call = [sys.executable, "-m", "cnn_anatomy.train", "--multirun", *words, *SMALL]
    return subprocess.run(
        call, cwd=folder, env=environment(folder), capture_output=True, text=True, timeout=60
    )


@pytest.mark.parametrize("name", ["joblib", "basic", "nowhere"])
def test_a_launcher_of_hydras_own_is_refused_in_a_sentence(tmp_path, name):
    done = sweep(tmp_path, "seed=0,1", f"hydra/launcher={name}")
    assert done.returncode == 2
    assert done.stderr.strip() == f"hydra/launcher={name} is none of {CHOICES}"


def composed(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train", [f"hydra/launcher={name}"], return_hydra_config=True)


def test_one_that_a_file_chooses_is_refused_as_well():
    with pytest.raises(ConfigError, match=f"joblib loses the sweep .*: choose one of {CHOICES}"):
        require_launcher(composed("joblib"))
    require_launcher(composed("local"))


@pytest.mark.parametrize(
    ("name", "module"), [("ray", "ray"), ("slurm", "hydra_plugins.hydra_submitit_launcher")]
)
def test_one_of_the_cluster_extra_must_be_installed(name, module):
    if find_spec(module):
        require_launcher(composed(name))
        return
    with pytest.raises(ConfigError, match=f"hydra/launcher={name} is not installed"):
        require_launcher(composed(name))


@pytest.mark.parametrize("name", CHOICES.split(", "))
def test_no_choice_is_composed_with_a_warning(tmp_path, name):
    done = sweep(tmp_path, "pooling=nowhere,max", f"hydra/launcher={name}")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1, done.stderr
