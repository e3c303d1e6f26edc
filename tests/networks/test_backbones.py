"""torchvision's networks behind our interface."""

import urllib.request
from typing import get_args

import pytest
import torch
import torchvision
from helpers import built, composed
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from cnn_anatomy.config.constraints import BACKBONES_WITH_HEADS
from cnn_anatomy.config.reach import refuse_unreached
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks.backbones import BACKBONES, BackboneName
from cnn_anatomy.networks.freezing import FeatureExtraction, Layers
from cnn_anatomy.networks.interface import weight_layers
from cnn_anatomy.training.build import build_classifier
from cnn_anatomy.training.run_spec import RunSpec


def wrapped(name, *overrides, **options):
    return built("model=torchvision", f"model.name={name}", *overrides, **options)


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(
    ("name", "parameters", "with_auxiliary"),
    [
        ("resnet18", 11_689_512, None),
        ("resnet34", 21_797_672, None),
        ("resnet50", 25_557_032, None),
        ("googlenet", 6_624_904, 13_004_888),
        ("inception_v3", 23_834_568, 27_161_264),
        ("vgg16", 138_357_544, None),
        ("vgg16_bn", 138_365_992, None),
        ("densenet121", 7_978_856, None),
    ],
)
def test_counts(name, parameters, with_auxiliary):
    size = 299 if name == "inception_v3" else 224
    assert count(wrapped(name, size=size, classes=1000)) == parameters
    published = torchvision.models.get_model_weights(name).IMAGENET1K_V1.meta["num_params"]
    assert published in (parameters, with_auxiliary)
    if with_auxiliary:
        full = wrapped(name, "aux=own", size=size, classes=1000)
        assert count(full) == with_auxiliary
        assert count(full) - count(full.auxiliary) == parameters


@pytest.mark.parametrize(
    ("name", "size", "sides"),
    [
        *(("resnet18", 64, 0), ("vgg16_bn", 32, 0), ("densenet121", 32, 0)),
        *(("googlenet", 64, 2), ("inception_v3", 299, 1)),
    ],
)
def test_outputs_are_those_of_torchvision_from_a_file(tmp_path, name, size, sides):
    torch.manual_seed(0)
    options = {"aux_logits": True, "init_weights": False} if sides else {}
    model = torchvision.models.get_model(name, weights=None, num_classes=7, **options)
    if sides:
        model.transform_input = True
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    aux = ("aux=own",) if sides else ()
    file = f"model.weights={tmp_path}/weights.pth"
    network = wrapped(name, file, *aux, size=size, classes=7, device="cpu")
    x = torch.randn(2, 3, size, size)
    with torch.no_grad():
        ours, theirs = network.eval()(x).logits, model.eval()(x)
    assert torch.equal(ours, theirs)
    output = network.train()(x)
    assert [tuple(a.shape) for a in output.auxiliary] == [(2, 7)] * sides
    order = [name for name, _ in weight_layers(network, x[:1])]
    assert order[0].startswith(("stem", "stages.0"))
    assert order[-1] == "head.classifier"
    assert len(FeatureExtraction()(network, x[:1])) >= len(order) - 1
    held = Layers(2)(network, x[:1])
    assert sum(isinstance(m, nn.Conv2d) for m in held) == 2


def test_a_pretrained_network_for_grey_images_and_fewer_classes(tmp_path):
    torch.manual_seed(0)
    model = torchvision.models.resnet18(weights=None).eval()
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    config = composed(
        "model=torchvision",
        f"model.weights={tmp_path}/weights.pth",
        "data=digits",
        "model.resize=64",
    )
    OmegaConf.resolve(config)
    data = instantiate(config.data, _convert_="all")
    classifier, _ = build_classifier(RunSpec.of(config), data)
    network = classifier.network.eval()
    x = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        large = nn.functional.interpolate(x, (64, 64), mode="bilinear")
        model.fc = nn.Identity()
        expected = model(large.expand(-1, 3, -1, -1))
        features = network.features(x).mean((2, 3))
    assert torch.allclose(features, expected, rtol=1e-3, atol=1e-4)
    assert network(x).logits.shape == (2, 10)


def test_what_is_checked_early_names_every_backbone():
    assert sorted(BACKBONES) == sorted(get_args(BackboneName))
    assert sorted(BACKBONES) == torchvision.models.list_models(module=torchvision.models)
    with_heads = tuple(name for name, kind in BACKBONES.items() if kind.sides)
    assert with_heads == BACKBONES_WITH_HEADS


def test_mistakes_are_sentences(tmp_path, monkeypatch):
    def refused(*overrides, size=64):
        with pytest.raises(ConfigError) as raised:
            wrapped(*overrides, size=size)
        return str(raised.value)

    assert "did you mean resnet50" in refused("resnet5O")
    assert "neither a file nor one of IMAGENET1K_V1" in refused("resnet18", "model.weights=here")
    assert "resize=299" in refused("inception_v3")
    assert "resize=299" in refused("inception_v3", "aux=own", size=128)
    assert "brings no auxiliary heads" in refused("resnet18", "aux=own")
    with pytest.raises(ConfigError, match="pooling=Max has no meaning for this model"):
        refuse_unreached(OmegaConf.to_container(composed("model=torchvision", "pooling=max")))
    torch.save({"fc.weight": torch.zeros(1000, 3)}, tmp_path / "odd.pth")
    assert "conv1.weight is absent in the file" in refused(
        "resnet18", f"model.weights={tmp_path}/odd.pth"
    )
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nothing listens there
    monkeypatch.setattr(urllib.request, "_opener", None)  # it keeps the proxies of its first call
    sentence = refused("resnet18", "model.weights=IMAGENET1K_V1")
    assert "could not be downloaded" in sentence
    assert "set weights=FILE" in sentence
