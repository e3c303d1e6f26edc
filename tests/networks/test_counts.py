"""Parameters and multiply-adds against published counts."""

from functools import partial

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from cnn_anatomy.networks import Network, blocks, heads, init, norm, pooling, skip
from cnn_anatomy.networks.auxiliary import Auxiliary
from cnn_anatomy.networks.families import cifar_resnet
from cnn_anatomy.networks.inception import Inception


def resnet(depth, skip_class, pool=pooling.Strided, size=(32, 32)):
    return Network(
        cifar_resnet(depth),
        stem=16,
        block=blocks.Basic,
        pooling=pool,
        skip=skip_class,
        norm=norm.Batch,
        activation=nn.ReLU,
        head=heads.GlobalAverage,
        auxiliary=Auxiliary(),
        init=init.he,
        channels=3,
        size=size,
        classes=10,
    )


def count(module):
    return sum(p.numel() for p in module.parameters())


def macs(network):
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network.eval()(torch.zeros(1, 3, 32, 32))
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
    network = resnet(depth, skip.Identity)
    assert count(network) == option_a == count(resnet(depth, skip.Plain))
    assert macs(network) == macs_a
    projected = resnet(depth, skip.Projection)
    assert count(projected) == option_b
    # Two 1×1 convolutions: 16·32 weights on 16×16 pixels and 32·64 on 8×8.
    assert macs(projected) == macs_a + 16 * 32 * 256 + 32 * 64 * 64


@pytest.mark.parametrize(
    ("channels", "size", "widths", "reduced", "unreduced"),
    [
        (192, 28, (64, 96, 128, 16, 32, 32), 163_328, 393_216),
        (256, 28, (128, 128, 192, 32, 96, 64), 388_096, 1_105_920),
        (480, 14, (192, 96, 208, 16, 48, 64), 375_552, 1_597_440),
        (512, 14, (160, 112, 224, 24, 64, 64), 448_512, 1_966_080),
        (512, 14, (128, 128, 256, 24, 64, 64), 509_440, 2_097_152),
    ],
    ids=["3a", "3b", "4a", "4b", "4c"],
)
def test_googlenet_modules(channels, size, widths, reduced, unreduced):
    for reductions, weights in ((True, reduced), (False, unreduced)):
        module = Inception(
            channels,
            widths,
            pooling=pooling.Unpooled,
            skip=skip.Plain,
            norm=norm.Batch,
            activation=nn.ReLU,
            reductions=reductions,
        )
        convolutions = [m for m in module.modules() if isinstance(m, nn.Conv2d)]
        assert sum(m.weight.numel() for m in convolutions) == weights
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            out = module(torch.zeros(1, channels, size, size))
        assert counter.get_total_flops() // 2 == weights * size**2
        assert out.shape[1] == widths[0] + widths[2] + widths[4] + widths[5]


@pytest.mark.parametrize("kernel", [2, 3, 4, 5])
@pytest.mark.parametrize("kind", [pooling.BlurMax, pooling.BlurStrided])
def test_blur_adds_no_parameter(kind, kernel):
    pool = partial(kind, size=kernel)
    assert count(resnet(20, skip.Identity, pool)) == count(resnet(20, skip.Identity))
