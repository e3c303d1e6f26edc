"""What the blocks and skips of later networks compute."""

import pytest
import torch
from helpers import built
from torch import nn
from torchvision.models.convnext import LayerNorm2d

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks.layers import Widening
from cnn_anatomy.networks.norm import Layer, Unnormalised
from cnn_anatomy.networks.pooling import Average, Pooling, Strided
from cnn_anatomy.networks.skip import Dense, Identity, Plain, Projection

SERIES = ("model=series", "model.stem.width=8")


def stages(*lines):
    listed = (f"{{_target_: cnn_anatomy.networks.Stage, {line}}}" for line in lines)
    return f"model.stages=[{', '.join(listed)}]"


def randomised(network):
    """Return a network in evaluation mode whose norms are not the identity."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
            module.weight.data.uniform_(0.5, 1.5)
    return network.eval()


@pytest.mark.parametrize("block", ["preactivation_shared", "preactivation_bottleneck"])
def test_the_shortcut_takes_the_activation_where_the_shape_changes(block):
    words = (*SERIES, f"block={block}", "skip=bare_projection")
    network = randomised(built(*words, stages("widths: [16, 16], halve: first"), device="cpu"))
    changing, same = network.stages[0][0], network.stages[0][1]
    x = torch.randn(2, 8, 6, 6)
    active = changing.residual[:2](x)
    expected = changing.skip.project(active[:, :, ::2, ::2]) + changing.residual(x)
    assert torch.equal(changing(x), expected)
    y = torch.randn(2, same.width, 3, 3)
    assert torch.equal(same(y), y + same.residual(y))


def test_norm_first_normalises_the_shortcut_by_itself():
    words = (*SERIES, "block=preactivation", "skip=norm_first")
    network = randomised(built(*words, stages("widths: [16], halve: first"), device="cpu"))
    block = network.stages[0][0]
    norm, activation = block.skip.before
    x = torch.randn(2, 8, 6, 6)
    shortcut = block.skip.project(activation(norm(x))[:, :, ::2, ::2])
    assert torch.equal(block(x), shortcut + block.residual(x))


def test_skips_are_only_where_the_resolution_or_the_shape_stays():
    layout = stages("widths: [8, 16]", "widths: [16, 16], halve: first")
    kinds = {
        "same_resolution": [Projection, Projection, Plain, Projection],
        "same_shape": [Projection, Plain, Plain, Projection],
    }
    for skip, expected in kinds.items():
        network = built(*SERIES, "block=inverted_bottleneck", f"skip={skip}", layout)
        assert [type(block.skip) for stage in network.stages for block in stage] == expected


def test_a_stage_compresses_before_it_halves():
    layout = stages("widths: [4, 4], halve: after, compress: 0.5", "widths: [4]")
    words = (*SERIES, "block=dense_layer", "skip=dense", "pooling=avg", layout)
    network = built(*words)
    image = torch.zeros(1, 3, 32, 32, device="meta")
    assert network.prefix(image, 1).shape == (1, (8 + 4 + 4) // 2, 16, 16)
    assert network.features(image).shape == (1, 12, 16, 16)


def test_a_stage_brings_its_own_block():
    single = "block: {_target_: cnn_anatomy.networks.blocks.Single, _partial_: true}"
    network = built(*SERIES, stages(f"widths: [8], {single}", "widths: [8]"))
    assert [type(stage[0]).__name__ for stage in network.stages] == ["Single", "Basic"]


@pytest.mark.parametrize("close", [True, False])
def test_a_series_may_end_without_the_closing_norm(close):
    network = built(*SERIES, "block=preactivation", f"model.close={close}")
    assert isinstance(network.stages[-1][-1], nn.Sequential) == close


def test_a_stem_halves_with_the_networks_pooling():
    image = torch.zeros(1, 3, 32, 32, device="meta")
    for pooling in ("strided", "blur_max"):
        words = (*SERIES, "+model.stem.kernel=5", "+model.stem.halve=true", f"pooling={pooling}")
        assert built(*words).stem(image).shape == (1, 8, 16, 16)


def test_the_widened_head_maps_activations_of_its_own_channels():
    network = built(*SERIES, "head=gap_widened", "head.width=32", device="cpu").eval()
    x = torch.randn(2, 64, 3, 3)
    maps = network.head.class_activation(x, torch.tensor([1, 2]))
    logits = network.head(x) - network.head.classifier.bias
    assert torch.allclose(maps.mean((1, 2)), logits[[0, 1], [1, 2]], atol=1e-5)


def test_layer_norm_is_torchvisions():
    ours, theirs = Layer(8), LayerNorm2d(8, eps=1e-6)
    ours.weight.data.normal_()
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(2, 8, 5, 3)
    assert torch.equal(ours(x), theirs(x))
    with pytest.raises(ConfigError, match="norm=layer makes a map of 1 channel zero"):
        Layer(1)


class Subsampling(Pooling):
    """Every second pixel."""

    def forward(self, x):
        return x[:, :, ::2, ::2]


def test_widening_by_a_stride_equals_subsampling_after_it():
    parts = {"width": 6, "norm": Unnormalised, "activation": nn.ReLU}
    strided = Widening(4, pooling=Strided, **parts)
    subsampled = Widening(4, pooling=Subsampling, **parts)
    subsampled.load_state_dict(strided.state_dict())
    x = torch.randn(2, 4, 8, 8)
    assert torch.allclose(strided(x), subsampled(x), atol=1e-6)


def test_a_dual_path_adds_some_channels_and_concatenates_the_rest():
    layout = stages("widths: [[4, 16, 3], [4, 16, 3]]", "widths: [[4, 32, 2]], halve: first")
    words = (*SERIES, "block=dual_path", "skip=projection", layout)
    network = randomised(built(*words, device="cpu"))
    first, second = network.stages[0]
    x = torch.randn(2, 8, 6, 6)
    y = first(x)
    fx = first.residual(x)
    assert torch.equal(y[:, :16], (first.skip.project(x) + fx[:, :16]).relu())
    assert torch.equal(y[:, 16:19], first.begin.project(x).relu())
    assert torch.equal(y[:, 19:], fx[:, 16:].relu())
    fy = second.residual(y)
    assert torch.equal(
        second(y), torch.cat([y[:, :16] + fy[:, :16], y[:, 16:], fy[:, 16:]], 1).relu()
    )
    assert network.features(torch.zeros(1, 3, 12, 12)).shape == (1, 32 + 2 + 2, 6, 6)


def test_a_shuffle_unit_mixes_its_groups():
    layout = stages("widths: [16, 16]", "widths: [16], halve: first")
    words = ("block=shuffle_unit", "skip=concatenated_where_halved", "activation=tanh", layout)
    network = built(*SERIES, *words, device="cpu").eval()
    units = [block for stage in network.stages for block in stage]
    assert [type(unit.skip) for unit in units] == [Identity, Identity, Dense]
    assert isinstance(units[-1].skip.pool, Average)
    assert units[-1].out_channels == 32
    x = torch.randn(1, 8, 4, 4, requires_grad=True)
    # Each group's output depends on channels of both groups of the input.
    for channel in (0, 15):
        units[0].branch(x)[:, channel].sum().backward()
        touched = x.grad.abs().sum((0, 2, 3)) > 0
        assert touched[:4].any()
        assert touched[4:].any()
        x.grad = None
    with pytest.raises(ConfigError, match=r"^block\.groups=2 does not divide .* 8 to 1: choose"):
        built(*SERIES, "block=shuffle_unit", stages("widths: [4]"))


def test_averages_of_three_pixels_overlap():
    x = torch.arange(16.0).view(1, 1, 4, 4)
    expected = nn.AvgPool2d(3, 2, 1)(x)
    assert torch.equal(Average(1, kernel=3)(x), expected)
    assert expected[0, 0, 1, 1] == x[0, 0, 1:4, 1:4].mean()
