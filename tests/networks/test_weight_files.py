"""Files of weights in the forms that people publish."""

import argparse

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import AveragedModel

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks.weight_files import CONTAINERS, read_weights


@pytest.fixture
def network():
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))


def written(folder, content):
    torch.save(content, folder / "weights.pt")
    return folder / "weights.pt"


def same(weights, network):
    state = network.state_dict()
    return weights.keys() == state.keys() and all(torch.equal(weights[k], state[k]) for k in state)


@pytest.mark.parametrize("key", [None, *CONTAINERS])
def test_a_state_dict_under_any_usual_key(tmp_path, network, key):
    state = network.state_dict()
    extras = {"epoch": 3, "acc": np.float64(91.2), "args": argparse.Namespace(lr=0.1)}
    path = written(tmp_path, state if key is None else {key: state, **extras})
    assert same(read_weights(path), network)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "module._orig_mod.", "model.", "net."])
def test_prefixes_of_wrappers_are_dropped(tmp_path, network, prefix):
    state = {prefix + key: value for key, value in network.state_dict().items()}
    assert same(read_weights(written(tmp_path, state)), network)


def test_the_wrappers_themselves(tmp_path, network):
    for wrapped in (nn.DataParallel(network), torch.compile(network), AveragedModel(network)):
        assert same(read_weights(written(tmp_path, {"model": wrapped.state_dict()})), network)


def test_weights_come_before_their_average(tmp_path, network, capsys):
    average = AveragedModel(network).state_dict()
    average = {k: v + 1 for k, v in average.items()}
    path = written(tmp_path, {"model_ema": average, "model": network.state_dict()})
    assert same(read_weights(path), network)
    assert "model is loaded" in capsys.readouterr().err


def test_safetensors(tmp_path, network):
    save_file(network.state_dict(), tmp_path / "weights.safetensors")
    assert same(read_weights(tmp_path / "weights.safetensors"), network)


def test_a_weight_that_is_not_finite_is_named(tmp_path, network):
    state = network.state_dict()
    state["1.weight"][2] = float("nan")
    with pytest.raises(ConfigError, match=r"1\.weight holds NaN"):
        read_weights(written(tmp_path, state))


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "Git LFS"),
        (b"\n<!DOCTYPE html><html><body>Not found", "HTML page"),
        (b"", "is empty"),
        (b"PK\x03\x04 half a file", "cannot be read"),
    ],
)
def test_what_is_no_file_of_weights_is_called_what_it_is(tmp_path, content, sentence):
    (tmp_path / "weights.pt").write_bytes(content)
    with pytest.raises(ConfigError, match=sentence):
        read_weights(tmp_path / "weights.pt")


def test_a_damaged_safetensors_file_is_refused(tmp_path):
    (tmp_path / "w.safetensors").write_bytes(b"\xff" * 40)
    with pytest.raises(ConfigError, match="cannot be read"):
        read_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("content", [{"epoch": 3}, [1, 2], {}, 5])
def test_what_holds_no_weights_is_refused(tmp_path, content):
    with pytest.raises(ConfigError, match="state dict"):
        read_weights(written(tmp_path, content))


def test_a_whole_network_is_refused_as_it_could_run_code(tmp_path, network):
    with pytest.raises(ConfigError, match="could run code"):
        read_weights(written(tmp_path, network))


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(ConfigError, match="is not there"):
        read_weights(tmp_path / "no.pt")
