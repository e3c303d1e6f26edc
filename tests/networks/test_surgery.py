"""Surgery puts parts of ours into a network that brings its own, and lists what it replaced."""

import pytest
import torch
import torchvision
from helpers import composed
from omegaconf import OmegaConf
from torch import nn

from cnn_anatomy.config.words import composable
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.instantiation import instantiate
from cnn_anatomy.networks.checkpoints import load_weights
from cnn_anatomy.networks.interface import weight_layers
from cnn_anatomy.networks.norm import Group
from cnn_anatomy.networks.pooling import BlurMax, Max
from cnn_anatomy.networks.surgery import Surgery

IMAGE = torch.zeros(1, 3, 64, 64)


def network(*words, size=64):
    """Build the network of words as they are typed."""
    config = composed(*composable(words))
    OmegaConf.resolve(config)
    torch.manual_seed(0)
    return instantiate(config.model, channels=3, size=(size, size), classes=7, _convert_="all")


def wrapped(name, *words):
    return network("model=torchvision", f"model.name={name}", *words)


def mine(name, *words, size=64):
    return network("model=own", f"model.target={__name__}.{name}", *words, size=size)


def logits(net, size=64):
    images = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return net.eval()(images).logits


class Stack(nn.Sequential):
    """Every kind of module that is replaced, and some that are not."""

    def __init__(self, num_classes, pool=None):
        block = [nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU6()]
        pools = [pool or nn.MaxPool2d(2), nn.MaxPool2d(3, 1, 1)]
        end = [nn.Conv2d(8, 8, 1), Named(8), nn.ReLU(True), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
        super().__init__(nn.Sequential(*block), *pools, *end, nn.Linear(8, num_classes))


class Named(nn.BatchNorm2d):
    """A subclass may compute something else, so it is left."""


class Shared(nn.Module):
    """One pooling and one activation in two places each, as in many a tutorial."""

    def __init__(self, num_classes, width=8):
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 8, 3, padding=1), nn.Conv2d(8, width, 3, padding=1)
        self.pool, self.act = nn.MaxPool2d(2), nn.ReLU()
        self.again = self.act
        self.fc = nn.Linear(width, num_classes)

    def forward(self, x):
        x = self.pool(self.act(self.one(x)))
        return self.fc(self.pool(self.again(self.two(x))).mean((2, 3)))


class Odd(Stack):
    def __init__(self, num_classes, **settings):
        super().__init__(num_classes, nn.MaxPool2d(**settings))


class Unaffine(nn.Sequential):
    def __init__(self, num_classes):
        layers = [nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, affine=False), nn.AdaptiveAvgPool2d(1)]
        super().__init__(*layers, nn.Flatten(), nn.Linear(8, num_classes))


@pytest.mark.parametrize("size", [2, 3])
def test_an_anti_aliased_resnet18_is_the_one_of_axes(size, capfd):
    theirs = wrapped("resnet18", "surgery.pooling=blur_max", f"surgery.pooling.size={size}")
    said = capfd.readouterr().err
    assert f"MaxPool2d → BlurMax(size={size}) (stem.3)" in said
    assert len(said.splitlines()) == 1
    (line,) = theirs.replaced
    assert line.startswith("stem.3: MaxPool2d(kernel_size=3, stride=2, padding=1")
    assert line.endswith(f"→ BlurMax(size={size})")
    torch.manual_seed(2)
    model = torchvision.models.resnet18(num_classes=7)
    ours = network("model=resnet18", f"model.stem.blur={size}")
    load_weights(ours, model.state_dict())
    theirs.load_state_dict(dict(zip(theirs.state_dict(), model.state_dict().values(), strict=True)))
    assert logits(ours).std() > 0.1
    assert torch.allclose(logits(theirs), logits(ours), rtol=1e-4, atol=1e-5)
    plain = wrapped("resnet18")
    plain.load_state_dict(theirs.state_dict())
    assert plain.replaced == ()
    assert not torch.allclose(logits(theirs), logits(plain), atol=1e-2)


def test_a_group_normalised_vgg_is_the_one_of_axes():
    theirs = wrapped("vgg16_bn", "surgery.norm=group", "surgery.activation=gelu")
    assert len(theirs.replaced) == 13 + 15
    assert sum(isinstance(m, Group) for m in theirs.modules()) == 13
    assert not any(isinstance(m, nn.BatchNorm2d | nn.ReLU) for m in theirs.modules())
    stages = nn.Sequential(*theirs.stages)
    model = torchvision.models.vgg16_bn(num_classes=7)
    for k, layer in enumerate(model.features):
        if isinstance(layer, nn.BatchNorm2d):
            model.features[k] = nn.GroupNorm(8, layer.num_features)
        elif isinstance(layer, nn.ReLU):
            model.features[k] = nn.GELU()
    model.features.load_state_dict(
        dict(zip(model.features.state_dict(), stages.state_dict().values(), strict=True))
    )
    x = torch.randn(2, 3, 64, 64)
    with torch.no_grad():
        assert torch.equal(theirs.eval().features(x), model.eval().features(x))


def test_stages_of_a_vgg_are_found_whatever_its_poolings_are():
    plain, blurred = wrapped("vgg11"), wrapped("vgg11", "surgery.pooling=blur_max")
    assert len(blurred.replaced) == 5
    assert len(blurred.stages) == len(plain.stages) == 5
    assert {k: m.shape for k, m in blurred.maps(IMAGE).items()} == {
        k: m.shape for k, m in plain.maps(IMAGE).items()
    }


def test_modules_of_exactly_a_type_are_replaced_and_others_are_counted(capfd):
    words = ("surgery.pooling=avg", "surgery.norm=group", "surgery.norm.groups=4")
    net = mine("Stack", *words, "surgery.activation=tanh")
    assert list(net.replaced) == [
        f"1: {nn.MaxPool2d(2)} → Average()",
        f"0.1: {nn.BatchNorm2d(8)} → Group(groups=4)",
        "0.2: ReLU6() → Tanh()",
        "5: ReLU(inplace=True) → Tanh()",
    ]
    assert type(net.module[2]) is nn.MaxPool2d
    assert type(net.module[4]) is Named
    assert "left as they are: 1 MaxPool2d, 1 Named" in capfd.readouterr().err
    assert [n for n, _ in weight_layers(net, IMAGE)] == ["module.0.0", "module.3", "module.8"]


def test_a_new_norm_begins_with_the_old_ones_weights():
    plain = wrapped("resnet18")
    for module in plain.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight)
    weights = {k: v.clone() for k, v in plain.state_dict().items()}
    Surgery(norm=Group)(plain, IMAGE, "it")
    for name, module in plain.named_modules():
        if isinstance(module, Group):
            assert torch.equal(module.weight, weights[f"{name}.weight"])


def test_a_module_in_several_places_stays_one():
    net = mine("Shared", "surgery.pooling=blur_max", "surgery.activation=gelu")
    assert isinstance(net.module.pool, BlurMax)
    assert isinstance(net.module.act, nn.GELU)
    assert net.module.act is net.module.again
    assert net.replaced[1] == "act, again: ReLU() → GELU()"
    with pytest.raises(ConfigError, match=r"pool of .* places of 8, 16 channels"):
        mine("Shared", "surgery.pooling=blur_max", "model.args.width=16")


def test_the_new_modules_are_observed_trained_and_frozen():
    net = mine("Shared", "surgery.pooling=mixed")
    assert "module.pool.logit" in dict(net.named_parameters())
    held = {p for part in (net.stem, *net.stages, net.head) for p in part.parameters()}
    assert held == set(net.module.parameters())
    net.train()(torch.randn(2, 3, 64, 64)).logits.sum().backward()
    assert net.module.pool.logit.grad is not None


@pytest.mark.parametrize(
    ("settings", "words", "reason"),
    [
        ("kernel_size: 3, stride: 2, padding: 1", "avg", r"windows are 2×2, padded by 0"),
        ("kernel_size: 4", "blur_max", r"maps 64×64 pixels to 32×32, where .* to 16×16"),
        ("kernel_size: 3, stride: 2", "blur_max", r"to 32×32, where .* to 31×31"),
        ("kernel_size: 3, stride: 2", "overlapping_padded", r"3×3, padded by 1, and not"),
        ("kernel_size: 2", "none", r"to 64×64, where .* to 32×32"),
    ],
)
def test_a_geometry_that_the_pooling_has_not_is_refused(settings, words, reason):
    with pytest.raises(ConfigError, match=rf"can't replace 1 of model.target=.*{reason}"):
        mine("Odd", f"+model.args={{{settings}}}", f"surgery.pooling={words}")


def test_a_geometry_that_the_pooling_has_is_kept():
    padded = "+model.args={kernel_size: 3, stride: 2, padding: 1}"
    net, plain = mine("Odd", padded, "surgery.pooling=overlapping_padded"), mine("Odd", padded)
    assert isinstance(net.module[1], Max)
    assert torch.equal(logits(net), logits(plain))


def test_what_can_not_be_replaced_is_refused():
    with pytest.raises(ConfigError, match=r"surgery.norm=Group replaces BatchNorm2d, and .*none"):
        wrapped("vgg11", "surgery.norm=group")
    with pytest.raises(ConfigError, match=r"has none: it has .*Conv2d.*Linear"):
        wrapped("googlenet", "surgery.activation=gelu")  # its ReLUs are functions
    with pytest.raises(ConfigError, match=r"BatchNorm2d\(8, .*affine=False"):
        mine("Unaffine", "surgery.norm=group")
    with pytest.raises(ConfigError, match=r"surgery.pooling=Strided works by the convolution"):
        wrapped("vgg11", "surgery.pooling=strided")
    with pytest.raises(ConfigError, match=r"surgery.norm=Unnormalised needs a bias"):
        wrapped("resnet18", "surgery.norm=none")


class Reading(Stack):
    """Its own code reads what only a batch norm has."""

    def forward(self, x):
        return super().forward(x) + 0 * self[0][1].running_mean.sum()


def test_code_that_needs_the_old_module_is_named():
    with pytest.raises(ConfigError, match=r"does not run with surgery.norm=Group: AttributeError"):
        mine("Reading", "surgery.norm=group")
