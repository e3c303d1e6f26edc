"""How many workers there are where there are GPUs, and which GPU each of them sees."""

import os
import signal
import time
from collections import Counter
from contextlib import suppress

import pytest
from helpers import composed
from hydra import compose, initialize_config_dir
from hydra.utils import instantiate
from joblib import Parallel, cpu_count, delayed
from joblib.externals.loky.process_executor import TerminatedWorkerError
from omegaconf import OmegaConf

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import CONF
from cnn_anatomy.launchers.local import LocalLauncher, call_with_gpu_share, share_gpus


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
    with initialize_config_dir(str(CONF), version_base="1.3"):
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
    assert launcher().workers == cpu_count()
    gpus(2)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    assert launcher().workers == cpu_count()


@pytest.mark.parametrize("value", [0, -2, "two", 1.5])
def test_another_number_is_refused(value):
    with pytest.raises(ConfigError, match="RUNS_PER_GPU"):
        LocalLauncher(runs_per_gpu=value)
    with pytest.raises(ConfigError, match="WORKERS"):
        LocalLauncher(n_jobs=value)


def seen(config):
    time.sleep(0.2)
    return os.getpid(), os.environ["CUDA_VISIBLE_DEVICES"]


def swept(shares, claims, *overrides, runs=24):
    """Return (process, GPUs) of every run of a sweep."""
    calls = (
        delayed(call_with_gpu_share)(seen, shares, claims, composed(*overrides))
        for _ in range(runs)
    )
    return Parallel(n_jobs=len(shares), backend="loky", batch_size=1)(calls)


@pytest.mark.parametrize("workers", [1, 2, 3, 4, 5, 8, 12])
def test_gpus_are_shared_evenly(workers):
    shares = share_gpus("abcd", workers)
    assert len(shares) == workers
    load = [sum(gpu in share for share in shares) for gpu in "abcd"]
    seen = [len(set(share)) for share in shares]
    assert min(load) >= 1
    assert max(load) - min(load) <= 1
    assert max(seen) - min(seen) <= 1


def test_a_worker_sees_its_gpu_and_one_that_stands_in_for_another_that_ones(tmp_path):
    shares = share_gpus(["3", "5"], 4)
    workers = dict(found := swept(shares, tmp_path))
    assert len(workers) == 4
    assert all(workers[process] == gpu for process, gpu in found)
    assert Counter(workers.values()) == {"3": 2, "5": 2}
    dead = next(iter(workers))
    os.kill(dead, signal.SIGKILL)
    with suppress(TerminatedWorkerError):  # which takes the others down, and is begun anew
        swept(shares, tmp_path)
    again = dict(swept(shares, tmp_path))
    assert not again.keys() & workers.keys()
    assert Counter(again.values()) == {"3": 2, "5": 2}


def test_a_run_sees_as_many_gpus_as_it_trains_on_or_is_refused(tmp_path):
    words = ("trainer.devices=2", "trainer.accelerator=gpu")
    found = swept(share_gpus("abcd", 2), tmp_path / "two", *words, runs=6)
    assert {gpus for _, gpus in found} == {"a,c", "b,d"}
    with pytest.raises(ConfigError, match=r"more than the 1 of 4 GPUs .* choose WORKERS=2"):
        call_with_gpu_share(seen, share_gpus("abcd", 4), tmp_path / "four", composed(*words))
