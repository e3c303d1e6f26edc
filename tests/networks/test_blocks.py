"""What the blocks and skips of later networks compute."""

import pytest
import torch
from helpers import built
from torch import nn

from cnn_anatomy.networks.skip import Plain, Projection

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
