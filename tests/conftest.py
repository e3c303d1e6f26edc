"""What several tests share."""

import os

import pytest
from helpers import SMALL, composed
from hydra.utils import instantiate
from omegaconf import OmegaConf

os.environ.setdefault("OMP_NUM_THREADS", "1")


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
