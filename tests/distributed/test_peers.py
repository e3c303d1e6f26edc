"""An error is another rank's end only if a rank has ended."""

import subprocess

import psutil
import pytest
import torch

from cnn_anatomy.distributed.peers import PeerLost, peer_loss_recognised, process_identity, watched


@pytest.fixture
def peer():
    """Start a process that stands for another rank."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def fails(error):
    with peer_loss_recognised():
        raise error


def identities(peer):
    return [process_identity(), (peer.pid, psutil.Process(peer.pid).create_time())]


def test_a_runtime_error_after_a_rank_has_ended_is_its_end(peer):
    with watched(identities(peer)):
        peer.kill()
        with pytest.raises(PeerLost) as raised:
            fails(RuntimeError("connection closed"))
    assert str(raised.value.__cause__) == "connection closed"
    assert raised.value.status == 1


def test_other_errors_stay_what_they_are(peer):
    with watched(identities(peer)):
        with pytest.raises(RuntimeError, match="shapes"):  # all ranks are alive
            fails(RuntimeError("shapes"))
        peer.kill()
        with pytest.raises(ValueError, match="mine"):
            fails(ValueError("mine"))
        with pytest.raises(torch.OutOfMemoryError):
            fails(torch.OutOfMemoryError("full"))
    with pytest.raises(RuntimeError, match="alone"):  # nobody is watched any more
        fails(RuntimeError("alone"))
