"""A finished run leaves no network in memory."""

import gc
import weakref

import pytest
from helpers import SMALL, composed

from cnn_anatomy.core.memory import released
from cnn_anatomy.networks import Network
from cnn_anatomy.training.run import run
from cnn_anatomy.training.run_spec import RunSpec


class Cycle:
    def __init__(self):
        self.itself = self


@released()
def failing(made):
    made.append(weakref.ref(Cycle()))
    assert made[0]() is not None
    raise KeyError


def test_cycles_made_meanwhile_are_collected_after_an_error_too():
    made = []
    gc.disable()
    try:
        with pytest.raises(KeyError):
            failing(made)
        assert made[0]() is None
    finally:
        gc.enable()
    assert gc.get_freeze_count() == 0


def networks():
    return [thing for thing in gc.get_objects() if isinstance(thing, Network)]


def test_a_finished_run_leaves_no_network(tmp_path, uri):
    before = weakref.WeakSet(networks())
    words = (f"paths.cache={tmp_path}", f"tracking.uri={uri}", "model.depth=8", *SMALL)
    assert 0 <= run(RunSpec.of(composed(*words))) <= 1
    assert [network for network in networks() if network not in before] == []
