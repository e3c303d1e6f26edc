"""Fixtures that many tests use, and the option --part."""

import os
import shutil
import subprocess

import processes
import pytest
from filelock import FileLock
from helpers import REPOSITORY, SMALL, composed
from hydra.utils import instantiate
from hypothesis import settings
from installed_wheel import install_wheel
from omegaconf import OmegaConf

from cnn_anatomy.core.memory import released
from cnn_anatomy.tracking.store import prepare

os.environ.setdefault("OMP_NUM_THREADS", "1")
settings.register_profile("default", deadline=None)  # a busy machine is slow, and no finding
settings.load_profile("default")


def pytest_addoption(parser):
    parser.addoption("--part", type=int, help="run one of this many parts, chosen by the commit")


def part_of(config):
    """Return (part, parts): which part of the tests runs at this commit."""
    parts = config.getoption("part")
    command = ["git", "-C", str(REPOSITORY), "rev-parse", "--short=8", "HEAD"]
    commit = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return int(commit or "0", 16) % parts, parts


def pytest_configure(config):
    """Hide the GPUs from all tests but those marked `gpu`: the others compare with CPU tensors."""
    if config.option.markexpr != "gpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


def pytest_report_header(config):
    if not config.getoption("part"):
        return None
    part, parts = part_of(config)
    return f"part {part + 1} of {parts}, chosen by the commit"


@pytest.hookimpl(trylast=True)  # after -m and -k
def pytest_collection_modifyitems(config, items):
    """With --part N, keep every Nth test and those marked `every_part`."""
    if not config.getoption("part"):
        return
    part, parts = part_of(config)
    others = [item for item in items if not item.get_closest_marker("every_part")]
    unpicked = {item for number, item in enumerate(others) if number % parts != part}
    config.hook.pytest_deselected(items=list(unpicked))
    items[:] = [item for item in items if item not in unpicked]


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    """Give the tests a cache apart from the one that sweeps use."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("CNN_ANATOMY_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def _no_process_is_left():
    """Kill the processes that a failed test leaves behind, but not those of longer fixtures."""
    before = len(processes.STARTED)
    yield
    for process in processes.STARTED[before:]:
        processes.kill(process)


@pytest.fixture
def networks_released():
    """Release what the test leaves in memory: some networks take gigabytes."""
    with released():
        yield


@pytest.fixture(scope="session")
def new_store(tmp_path_factory):
    """Return a function that makes an empty store in a folder and returns its URI.

    MLflow takes seconds to make its schema, so it does so once and the file is copied.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    empty = shared / "empty" / "mlflow.db"
    with FileLock(f"{shared}/empty.lock"):
        if not empty.exists():
            prepare(f"sqlite:///{shared}/making/mlflow.db", "Default")
            (shared / "making").rename(empty.parent)

    def make(folder):
        folder.mkdir(parents=True, exist_ok=True)
        shutil.copy(empty, folder)
        return f"sqlite:///{folder}/mlflow.db"

    return make


@pytest.fixture
def uri(tmp_path, new_store):
    """Return the URI of an empty store, mlflow.db in the test's folder."""
    return new_store(tmp_path)


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Return a function that composes the configuration at a size of seconds."""
    cache = tmp_path_factory.mktemp("cache")

    def make(*overrides):
        return composed(f"paths.cache={cache}", *SMALL, *overrides)

    return make


@pytest.fixture(scope="session")
def digits(small):
    """Return 40 cluttered digits, loaded."""
    config = small()
    OmegaConf.resolve(config)
    return instantiate(config.data, _convert_="all")


@pytest.fixture(scope="session")
def installed(tmp_path_factory):
    """Return the paths and the environment variables of an installed wheel (`install_wheel`)."""
    return install_wheel(tmp_path_factory.mktemp("wheel"))
