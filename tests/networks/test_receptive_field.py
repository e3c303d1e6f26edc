"""The receptive field: published ones, and what pixels really reach a unit."""

import copy
import math
from bisect import bisect_left

import pandas as pd
import pytest
import torch
from helpers import built
from hydra import initialize_config_dir

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import CONF, PUBLISHED
from cnn_anatomy.networks.receptive_field import receptive_field
from cnn_anatomy.results.run_table import RUN_TABLE, read_run_table
from tools.receptive_fields import COLUMN, completed

RESNET = ("model=resnet", "model.depth=8", "model.width=4")
WIDTH = 512  # of the strips whose columns are tried, in pixels


def field(network, size=32):
    return receptive_field(network, torch.zeros(1, 3, size, size))


def reaching(network):
    """Return the distance from the first to the last column that reaches the unit in the middle.

    Columns of NaN make all that depends on them NaN. In float64, as faster ways to convolve spread
    NaN to neighbours.
    """
    network = copy.deepcopy(network).double().eval()

    def reach(first, end):
        strip = torch.zeros(1, 3, 32, WIDTH, dtype=torch.float64)
        strip[..., first:end] = math.nan
        with torch.no_grad():
            last = network.prefix(strip, len(network.stages))
        return bool(last[..., last.shape[-1] // 2].isnan().any())

    assert not reach(0, 1)
    assert not reach(WIDTH - 1, WIDTH)
    left = bisect_left(range(WIDTH), True, key=lambda c: reach(0, c + 1))
    right = bisect_left(range(WIDTH), True, key=lambda c: reach(WIDTH - 1 - c, WIDTH))
    return WIDTH - right - left


@pytest.mark.parametrize(
    ("words", "pixels"),
    [
        (("model=vgg16",), 212),  # Araujo et al. 2019, table 1
        ((*RESNET, "pooling=none"), 1 + 2 * 7),  # seven convolutions of 3×3 in a row
        ((*RESNET, "pooling=strided"), 7 + 2 + 2 * 2 + 2 * 2 + 2 * 4),
    ],
)
def test_published_and_closed_form_values(words, pixels):
    assert field(built(*words, device="cpu"), size=224) == pixels


@pytest.mark.parametrize(
    "words",
    [
        *((*RESNET, f"pooling={p}") for p in ("max", "avg", "blur_max", "overlapping", "gated")),
        (*RESNET, "skip=none"),
        (*RESNET, "skip=dense"),
        ("model=inception", "model.width=8", "inception.depth=3"),
        ("model=nin",),
    ],
    ids=" ".join,
)
def test_it_is_as_wide_as_the_pixels_that_reach_a_unit(words):
    network = built(*words, device="cpu")
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    assert field(network) == reaching(network)
    assert network.training
    assert all(torch.equal(tensor, before[n]) for n, tensor in network.state_dict().items())


def test_it_is_unlimited_where_units_see_the_whole_image():
    assert field(built(*RESNET, "attention=se", device="cpu")) is None


def test_committed_runs_get_it_only_from_their_own_network(tmp_path):
    sweep = read_run_table(PUBLISHED / "variation" / RUN_TABLE, "variation")
    one = sweep.runs[sweep.runs.variant == "pooling=none"]
    bare = type(sweep)("variation", "", one.drop(columns=COLUMN))
    with initialize_config_dir(str(CONF), version_base="1.3"):
        pd.testing.assert_series_equal(completed(bare).runs[COLUMN], one[COLUMN])
        other = type(sweep)("variation", "", one.assign(**{"metrics.macs": 7.0}))
        with pytest.raises(ConfigError, match=r"pooling=none: macs is \d+, but was 7"):
            completed(other)
