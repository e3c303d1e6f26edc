"""A pooling is any module built with the number of channels, in every family of networks."""

import pytest
import torch
from helpers import composed
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn

from cnn_anatomy.config.options import option_names, written

FAMILIES = [m for m in option_names("model") if "pooling" in (written("model", m) or {})]
SMALL = ("resnet", "plain", "vgg", "inception", "nin", "all_cnn")
TAKEN = [m for m in FAMILIES if m != "torchvision"]  # whose parts are its own

MODELS = [m if m in SMALL else pytest.param(m, marks=pytest.mark.slow) for m in TAKEN]


class Halved(nn.Module):
    """Every second pixel; it sets nothing that only poolings of ours set."""

    def __init__(self, channels):
        super().__init__()
        self.channels = channels

    def forward(self, x):
        assert x.shape[1] == self.channels
        return x[..., ::2, ::2]


@pytest.mark.parametrize("model", MODELS)
def test_a_pooling_without_further_attributes_works(model):
    size = 224 if "imagenet" in written("model", model)["_target_"] or "goog" in model else 32
    size = 64 if model in ("vgg16", "resnet18", "resnet34", "resnet50") else size
    config = composed(f"model={model}")
    config.pooling = {"_target_": f"{__name__}.Halved", "_partial_": True}
    OmegaConf.resolve(config)
    network = instantiate(
        config.model, channels=3, size=(size, size), classes=7, _convert_="all"
    ).eval()
    assert any(isinstance(module, Halved) for module in network.modules())
    assert network(torch.zeros(1, 3, size, size)).logits.shape == (1, 7)
