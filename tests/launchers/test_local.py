"""How many workers there are where there are GPUs, and which GPU each of them sees."""

import os
import time
from collections import Counter

import pytest
from helpers import composed
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from joblib import Parallel, delayed
from omegaconf import OmegaConf

from cnn_anatomy.errors import ConfigError
from cnn_anatomy.launchers.local import LocalLauncher, on_own_gpu
from cnn_anatomy.paths import REPOSITORY


@pytest.fixture
def gpus(tmp_path, monkeypatch):
    """Return a function that puts an `nvidia-smi` on PATH which lists so many GPUs."""

    def make(count):
        program = tmp_path / "nvidia-smi"
        program.write_text("#!/bin/sh\n" + "".join(f"echo {n}\n" for n in range(count)))
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        for name in ("CUDA_VISIBLE_DEVICES", "WORKERS", "RUNS_PER_GPU"):
            monkeypatch.delenv(name, raising=False)

    return make


def launcher():
    """Return the launcher that conf/ makes of the environment."""
    with initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
        config = compose("train", [], return_hydra_config=True)
    return instantiate(
        OmegaConf.create(OmegaConf.to_container(config.hydra.launcher, resolve=True))
    )


def test_each_gpu_has_as_many_workers_as_it_is_told(gpus, monkeypatch):
    gpus(2)
    assert launcher().workers == 2
    monkeypatch.setenv("RUNS_PER_GPU", "3")
    assert launcher().workers == 6
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
    assert launcher().workers == 3
    monkeypatch.setenv("WORKERS", "5")
    assert launcher().workers == 5


def test_without_a_gpu_there_are_as_many_as_cores(gpus, monkeypatch):
    gpus(0)
    assert launcher().workers == os.cpu_count()
    gpus(2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert launcher().workers == os.cpu_count()


@pytest.mark.parametrize("value", [0, -2, "two", 1.5])
def test_another_number_is_refused(value):
    with pytest.raises(ConfigError, match="RUNS_PER_GPU"):
        LocalLauncher(runs_per_gpu=value)
    with pytest.raises(ConfigError, match="WORKERS"):
        LocalLauncher(n_jobs=value)


def seen(config):
    time.sleep(0.2)
    return os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"]


def test_a_worker_sees_one_gpu_and_each_gpu_is_seen_by_as_many():
    calls = (delayed(on_own_gpu)(seen, ["3", "5"], composed()) for _ in range(24))
    found = Parallel(n_jobs=4, backend="loky", batch_size=1)(calls)
    workers = dict(found)
    assert len(workers) == 4
    assert all(workers[process] == gpu for process, gpu in found)
    assert Counter(workers.values()) == {"3": 2, "5": 2}
