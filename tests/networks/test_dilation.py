"""`pooling=dilated`: convolutions that see what they see behind poolings, at full resolution."""

import pytest
import torch
from helpers import built
from torch import nn

from cnn_anatomy.networks.pooling import Pooling
from cnn_anatomy.networks.receptive_field import receptive_field

NETWORKS = [
    ("model=resnet", "model.depth=8"),
    ("model=resnet", "model.depth=14", "block=preactivation", "conv=separable"),
    ("model=vgg",),
    ("model=inception", "skip=identity", "inception.pool=none"),
    ("network=convnext_tiny",),
]


class Subsampled(Pooling):
    """Every second pixel."""

    def forward(self, x):
        return x[..., ::2, ::2]


@pytest.mark.parametrize("overrides", NETWORKS, ids=" ".join)
def test_every_nth_pixel_is_that_of_the_subsampled_network(overrides):
    """So Yu & Koltun (2016) have it: the same weights, the same windows, more places."""
    target = f"pooling._target_={__name__}.Subsampled"
    pooled = built(*overrides, "pooling=none", target, device="cpu", size=32).double().eval()
    dilated = built(*overrides, "pooling=dilated", device="cpu", size=32).double().eval()
    dilated.load_state_dict(pooled.state_dict())
    images = torch.rand(2, 3, 32, 32, dtype=torch.float64)
    side = dilated.stem(images).shape[-1]
    pairs = zip(pooled.maps(images).values(), dilated.maps(images).values(), strict=True)
    for stage, (coarse, fine) in enumerate(pairs, 1):
        step = fine.shape[-1] // coarse.shape[-1]
        assert fine.shape[-1] == side
        torch.testing.assert_close(fine[..., ::step, ::step], coarse, msg=f"stage {stage}")


@pytest.mark.parametrize(
    ("pooling", "side"),
    # Stem 3; stage 1 adds 2 + 2; stage 2 adds 2 + 4; stage 3 adds 4 + 8; a maximum adds 1 and 2.
    [("strided", 25), ("dilated", 25), ("max", 28), ("none", 15)],
)
def test_the_receptive_field_is_the_sum_over_layers(pooling, side):
    network = built("model.depth=8", f"pooling={pooling}", device="cpu", size=64)
    assert receptive_field(network, torch.zeros(1, 3, 64, 64)) == side


def test_a_network_that_never_halves_keeps_its_convolutions():
    network = built("model=plain", "model.depth=8", "pooling=none", device="cpu")
    convs = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert {conv.dilation for conv in convs} == {(1, 1)}
