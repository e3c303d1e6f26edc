"""Parameters and multiply-adds of the real configurations against published counts."""

import pytest
import torch
from helpers import built
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnn_anatomy.networks.inception import Inception


def count(module):
    return sum(p.numel() for p in module.parameters())


def macs(network, size=32, device="meta"):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, 3, size, size, device=device))
    return counter.get_total_flops() // 2


@pytest.mark.parametrize(
    ("depth", "option_a", "option_b", "macs_a"),
    [
        (20, 269_722, 272_474, 40_551_040),
        (32, 464_154, 466_906, 68_862_592),
        (44, 658_586, 661_338, 97_174_144),
        (56, 853_018, 855_770, 125_485_696),
        (110, 1_727_962, 1_730_714, 252_887_680),
    ],
)
def test_cifar_resnet(depth, option_a, option_b, macs_a):
    network = built(f"model.depth={depth}")
    assert count(network) == option_a == count(built("model=plain", f"model.depth={depth}"))
    assert macs(network) == macs_a
    projected = built(f"model.depth={depth}", "skip=projection")
    assert count(projected) == option_b
    # Two 1×1 convolutions: 16·32 weights on 16×16 pixels and 32·64 on 8×8.
    assert macs(projected) == macs_a + 16 * 32 * 256 + 32 * 64 * 64


def test_cifar_resnet_1202():
    assert count(built("model.depth=1202")) == 19_421_274


@pytest.mark.slow
def test_cifar_resnet_1202_macs():
    assert macs(built("model.depth=1202")) == 2_829_238_912


# A 3×3 convolution of stage 1, 2 and 3 has 2,304, 9,216 and 36,864 weights; depth 110 has 18 units
# a stage.
@pytest.mark.parametrize(
    ("overrides", "more"),
    [
        ((), 0),
        (("skip=scaled",), 0),
        (("skip=dropout",), 0),
        (("skip=gated",), 18 * (16 * 17 + 32 * 33 + 64 * 65)),
        (("skip=gated_shortcut",), 18 * (16 * 17 + 32 * 33 + 64 * 65)),
        (
            ("skip=convolution",),
            18 * (16**2 + 32**2 + 64**2 + 2 * 112) - 16 * 32 - 32 * 64,
        ),
        (("block=norm_after_addition",), 0),
        (("block=relu_before_addition",), 0),
        (("block=relu_preactivation",), 0),
        (("block=preactivation",), 2 * 64 - 2 * (64 - 32) - 2 * (32 - 16)),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, tuple) else "",
)
def test_the_110_layers_of_he_2016(overrides, more):
    assert count(built("model.depth=110", *overrides)) == 1_727_962 + more


MODULES = {
    "3a": (192, 28, (64, 96, 128, 16, 32, 32), 163_328, 393_216),
    "3b": (256, 28, (128, 128, 192, 32, 96, 64), 388_096, 1_105_920),
    "4a": (480, 14, (192, 96, 208, 16, 48, 64), 375_552, 1_597_440),
    "4b": (512, 14, (160, 112, 224, 24, 64, 64), 448_512, 1_966_080),
    "4c": (512, 14, (128, 128, 256, 24, 64, 64), 509_440, 2_097_152),
    "4d": (512, 14, (112, 144, 288, 32, 64, 64), 604_672, 2_236_416),
    "4e": (528, 14, (256, 160, 320, 32, 128, 128), 867_328, 3_412_992),
    "5a": (832, 7, (256, 160, 320, 32, 128, 128), 1_042_432, 5_378_048),
    "5b": (832, 7, (384, 192, 384, 48, 128, 128), 1_442_816, 5_963_776),
}
MODULE_MACS = {
    True: (128.0, 304.3, 73.6, 87.9, 99.9, 118.5, 170.0, 51.1, 70.7),
    False: (308.3, 867.0, 313.1, 385.4, 411.0, 438.3, 668.9, 263.5, 292.2),
}
UNREDUCED = ("inception=unreduced", "inception.depth=9")


@pytest.mark.parametrize("reductions", [True, False], ids=["reduced", "unreduced"])
def test_googlenet_modules(reductions):
    network = built("model=googlenet", *(() if reductions else UNREDUCED), size=224, classes=1000)
    modules = [m for m in network.modules() if isinstance(m, Inception)]
    assert len(modules) == len(MODULES)
    for module, values, millions in zip(
        modules, MODULES.values(), MODULE_MACS[reductions], strict=True
    ):
        channels, size, widths, reduced, unreduced = values
        weights = reduced if reductions else unreduced
        convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
        assert sum(m.weight.numel() for m in convolutions) == weights
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            out = module(torch.zeros(1, channels, size, size, device="meta"))
        assert counter.get_total_flops() // 2 == weights * size**2
        assert round(weights * size**2 / 1e6, 1) == millions
        assert out.shape[1:] == (widths[0] + widths[2] + widths[4] + widths[5], size, size)


def test_googlenet():
    network = built("model=googlenet", "aux=googlenet", size=224, classes=1000)
    first, second = network.auxiliary.values()
    assert (count(first), count(second)) == (3_188_840, 3_190_888)
    assert count(network) - count(first) - count(second) == 6_998_552
    assert round(macs(network, 224) / 1e9, 3) == 1.583
    unreduced = built("model=googlenet", *UNREDUCED, size=224, classes=1000)
    # 25.30 million weights, and a bias for each of 7,280 channels and classes.
    assert count(unreduced) == 25_298_664 + 7_280
    assert round(macs(unreduced, 224) / 1e9, 3) == 4.427


@pytest.mark.parametrize(
    ("overrides", "parameters", "giga"),
    [
        (("model=resnet18",), 11_689_512, 1.814),
        (("model=resnet34",), 21_797_672, 3.664),
        (("model=resnet50",), 25_557_032, 4.089),
        (("model=vgg16",), 138_357_544, 15.470),
        (("model=vgg16", "norm=batch_biased"), 138_365_992, 15.470),
        (("model=googlenet_torchvision",), 6_624_904, 1.498),
        (("model=googlenet_torchvision", "aux=googlenet"), 13_004_888, 1.498),
    ],
    ids=lambda x: " ".join(x) if isinstance(x, tuple) else "",
)
def test_imagenet_form(overrides, parameters, giga):
    network = built(*overrides, size=224, classes=1000)
    assert count(network) == parameters
    assert round(macs(network, 224) / 1e9, 3) == giga


@pytest.mark.parametrize("kernel", [2, 3, 5])
def test_blur_adds_no_parameter(kernel):
    blur = f"pooling.size={kernel}"
    stem = f"model.stem.blur={kernel}"
    resnet = built("model=resnet18", "pooling=blur_strided", blur, stem, size=224, classes=1000)
    assert count(resnet) == 11_689_512
    vgg = built("model=vgg16", "pooling=blur_max", blur, size=224, classes=1000)
    assert count(vgg) == 138_357_544
    assert count(built("pooling=blur_strided", blur)) == count(built())


@pytest.mark.parametrize(
    ("base", "small", "large"),
    [("a", 839_242, 1_254_250), ("b", 885_610, 1_300_618), ("c", 954_730, 1_369_738)],
)
def test_all_cnn(base, small, large):
    def counted(*overrides):
        return count(built("model=all_cnn", f"model.base={base}", *overrides))

    assert counted("pooling=overlapping") == small
    assert counted("pooling=strided", "model.halve=last") == small
    assert counted("pooling=overlapping", "model.extra=true") == large
    assert counted("pooling=strided") == large


def test_nin():
    # By hand: weights and biases of Lin et al.'s nine convolutions.
    convolutions = [
        *((3, 192, 5), (192, 160, 1), (160, 96, 1), (96, 192, 5), (192, 192, 1), (192, 192, 1)),
        *((192, 192, 3), (192, 192, 1), (192, 10, 1)),
    ]
    averaged = sum(i * o * k * k + o for i, o, k in convolutions)
    assert averaged == 966_986
    assert count(built("model=nin")) == averaged
    connected = built("model=nin", "head=connected_maps")
    assert count(connected) == averaged + 640 * 10 + 10
    dropped = built("model=nin", "head=connected_maps", "head.dropout=0.5")
    assert count(dropped) == count(connected)
