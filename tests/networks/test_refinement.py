"""What the axes conv, attention and residual change in a block's branch."""

import pytest
import torch
from helpers import built
from torch import nn
from torchvision.ops import SqueezeExcitation as TorchvisionsSqueeze

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks.attention import EfficientAttention, SqueezeExcitation
from cnn_anatomy.networks.branch_scaling import LayerScale, StochasticDepth
from cnn_anatomy.networks.init import he, xavier

SMALL = ("model.depth=8", "model.width=8")


def count(module):
    return sum(p.numel() for p in module.parameters())


def spatial(network):
    return [m for m in network.modules() if isinstance(m, nn.Conv2d) and m.kernel_size != (1, 1)]


def test_grouped_convolutions_have_that_fraction_of_the_weights():
    full, grouped = built(*SMALL), built(*SMALL, "conv=grouped", "conv.groups=4")
    pairs = list(zip(spatial(full), spatial(grouped), strict=True))
    assert [g.groups for _, g in pairs] == [1] + 6 * [4]  # the stem stays full
    assert all(f.weight.numel() == g.groups * g.weight.numel() for f, g in pairs)


def test_a_separable_convolution_is_a_depthwise_and_a_pointwise_one():
    # By hand: blocks of widths 8, 16, 32; depthwise weights and norm, pointwise weights and norm.
    channels = [8, 8, 8, 16, 16, 32]
    widths = [8, 8, 16, 16, 32, 32]
    blocks = sum(9 * c + 2 * c + c * w + 2 * w for c, w in zip(channels, widths, strict=True))
    stem, head = 27 * 8 + 16, 33 * 10
    assert count(built(*SMALL, "conv=separable")) == stem + blocks + head
    bare = built(*SMALL, "conv=separable", "conv.between=false")
    assert count(bare) == stem + blocks - 2 * sum(channels) + head


@pytest.mark.parametrize("conv", ["grouped", "separable"])
@pytest.mark.parametrize("model", ["resnet", "vgg", "inception", "nin", "resnet18"])
def test_shapes_are_those_of_full_convolutions(model, conv):
    full, other = (built(f"model={model}", f"conv={c}", "pooling=strided") for c in ("full", conv))
    image = torch.zeros(2, 3, 32, 32, device="meta")
    assert full.features(image).shape == other.features(image).shape


def test_a_convolution_of_the_images_stays_full():
    network = built("model=vgg", "model.stages=[[4, 4]]", "conv=grouped")
    assert [conv.groups for conv in spatial(network)] == [1, 2]
    blocks = built("model=vgg", "model.stages=[[4]]", "conv=grouped", "block=norm_after_addition")
    assert [conv.groups for conv in spatial(blocks)] == [1, 2]


def test_groups_that_do_not_divide_are_refused():
    words = (*SMALL, "conv=grouped", "conv.groups=3")
    with pytest.raises(ConfigError, match=r"convolution, 8 to 8: choose 2 or 4 or 8, or other"):
        built(*words)
    with pytest.raises(ConfigError, match=r"convolution, 3 to 5: choose other widths"):
        built("model=vgg", "model.stages=[[3, 5]]", "conv=grouped")


def test_groups_of_a_width_are_as_many_as_the_channels_make_up():
    network = built("model=vgg", "model.stages=[[8, 16, 24]]", "conv=group_width", "conv.width=4")
    convolutions = [m for m in network.modules() if isinstance(m, torch.nn.Conv2d)]
    assert [c.groups for c in convolutions] == [1, 2, 2]  # 8 in 2 fours, gcd(16, 24) = 8 as well
    words = ("model=vgg", "model.stages=[[8, 12]]", "conv=group_width")
    with pytest.raises(
        ConfigError, match=r"^conv\.width=8 does not .* 8 to 12: choose 1 or 2 or 4"
    ):
        built(*words)


@pytest.mark.parametrize("conv", ["grouped", "separable"])
def test_a_network_that_it_would_not_change_is_refused(conv):
    with pytest.raises(ConfigError, match=f"^conv={conv} changes nothing in this network"):
        built("model=vgg", "model.stages=[[4]]", f"conv={conv}")


@pytest.mark.parametrize(("init", "variance"), [(he, 2 / 18), (xavier, 2 / (18 + 18))])
def test_groups_are_initialised_by_their_own_fans(init, variance):
    conv = nn.Conv2d(2000, 2000, 3, groups=1000)  # of 2 to 2 channels
    init(conv)
    assert conv.weight.var().item() == pytest.approx(variance, rel=0.05)


def test_attention_adds_its_weights_to_every_block():
    widths = [8, 16, 32]
    base = count(built(*SMALL))
    se = sum(2 * w * (w // 4) + w // 4 + w for w in widths)
    assert count(built(*SMALL, "attention=se", "attention.reduction=4")) == base + se
    assert count(built(*SMALL, "attention=eca")) == base + 3 * 3
    assert count(built("model=resnet18", "attention=eca")) == count(built("model=resnet18")) + 2 * (
        3 + 5 + 5 + 5
    )


def test_squeeze_and_excitation_is_torchvisions():
    ours, theirs = SqueezeExcitation(32, 4), TorchvisionsSqueeze(32, 8)
    theirs.load_state_dict(dict(zip(theirs.state_dict(), ours.state_dict().values(), strict=True)))
    x = torch.randn(2, 32, 5, 5)
    assert torch.equal(ours(x), theirs(x))


def test_efficient_attention_weighs_a_channel_by_its_neighbours_means():
    attention = EfficientAttention(8)
    attention.conv.weight.data = torch.tensor([[[1.0, 2.0, 3.0]]])
    means = torch.arange(8.0)
    x = means[None, :, None, None].expand(1, 8, 2, 2)
    padded = nn.functional.pad(means, (1, 1))
    weights = (padded[:-2] + 2 * padded[1:-1] + 3 * padded[2:]).sigmoid()
    assert torch.allclose(attention(x), x * weights[None, :, None, None])


def test_branches_are_dropped_in_proportion_to_their_depth():
    network = built(*SMALL, "residual=stochastic_depth", "residual.drop=0.3")
    drops = [m.keep for m in network.modules() if isinstance(m, StochasticDepth)]
    assert drops == pytest.approx([0.9, 0.8, 0.7])


def test_a_dropped_branch_leaves_the_mean_as_it_is():
    layer = StochasticDepth(3, 1.0, drop=0.25)
    x = torch.ones(20_000, 3, 2, 2)
    out = layer.train()(x)
    assert sorted(out.unique().tolist()) == pytest.approx([0, 4 / 3])
    assert out.mean().item() == pytest.approx(1, abs=0.02)
    assert torch.equal(out, out[:, :1, :1, :1].expand_as(out))  # an image's as a whole
    assert torch.equal(layer.eval()(x), x)


def test_stochastic_depth_adds_no_name_to_the_state():
    assert built("residual=stochastic_depth").state_dict().keys() == built().state_dict().keys()


def test_layer_scale_nearly_leaves_the_input_at_first():
    network = built(*SMALL, "residual=layer_scale", device="cpu").eval()
    block = network.stages[0][0]
    x = torch.rand(2, 8, 9, 9)
    assert isinstance(block.refinements[-1], LayerScale)
    assert torch.allclose(block(x), x, atol=1e-4)
    assert not torch.equal(block(x), x)


@pytest.mark.parametrize("residual", ["stochastic_depth", "layer_scale"])
def test_branches_without_a_skip_are_not_scaled(residual):
    with pytest.raises(ConfigError, match=r"^residual=\w+ has no meaning without skip"):
        built("skip=none", f"residual={residual}")


def test_all_three_refine_in_one_order():
    network = built(*SMALL, "conv=separable", "attention=se", "residual=layer_scale")
    for stage in network.stages:
        kinds = [type(layer) for layer in stage[0].refinements]
        assert kinds == [SqueezeExcitation, LayerScale]
