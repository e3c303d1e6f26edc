"""timm's networks train a step, with probes and frozen layers; without timm a sentence says so."""

from importlib.util import find_spec

import pytest
import torch
from helpers import composed
from omegaconf import OmegaConf
from processes import TRAIN, ended, start
from steps import EVERY, stepped

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.instantiation import instantiate

FAMILIES = {
    "resnet18": 64,
    "convnext_atto": 64,
    "efficientnet_b0": 64,
    "mobilenetv3_small_050": 64,
    "regnetx_002": 64,
    "densenet121": 64,
    "vgg11": 64,
    "vit_tiny_patch16_224": 224,
    "swin_tiny_patch4_window7_224": 224,
    "mixer_s32_224": 224,
}


def named(name, *words):
    return ("model=timm", f"model.name={name}", *words)


@pytest.mark.slow
@pytest.mark.usefixtures("networks_released")
@pytest.mark.parametrize("name", FAMILIES)
def test_a_step_with_probes_and_frozen_layers(tmp_path, name):
    pytest.importorskip("timm")
    frozen = ("freeze=layers", "freeze.layers=3")
    side = f"model.resize={FAMILIES[name]}"
    classifier, counts, metrics = stepped(tmp_path, *named(name, side, *frozen))
    assert counts["freeze.layers"] == 3
    assert metrics.keys() >= EVERY
    assert len(classifier.network.stages) >= 2


def test_logits_are_those_of_timm():
    timm = pytest.importorskip("timm")
    config = composed(*named("resnet18"))
    OmegaConf.resolve(config)
    network = instantiate(
        config.model, channels=1, size=(32, 32), classes=7, _convert_="all"
    ).eval()
    model = timm.create_model("resnet18", num_classes=7, in_chans=1).eval()
    model.load_state_dict(network.module.state_dict())
    x = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(network(x).logits, model(x))
    config.model.name = "resnet118"
    with pytest.raises(ConfigError, match=r"resnet118 is no model of timm.*did you mean resnet18"):
        instantiate(config.model, channels=1, size=(32, 32), classes=7, _convert_="all")


@pytest.mark.skipif(find_spec("timm") is not None, reason="timm is installed")
def test_without_timm_a_sentence_says_what_to_install(tmp_path):
    _, errors = ended(start(tmp_path, *TRAIN, "model=timm"), status=2)
    assert errors.strip().endswith("pip install 'cnn-anatomy[timm]'")
    assert len(errors.splitlines()) == 1
