"""A network that can't run: too small images are a mistake, any other error is a bug."""

import sys
import traceback

import pytest
from helpers import built
from torch import nn

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import CONF

BROKEN = """
import torch
import torch.nn.functional as F
from torch import nn


class Pooling(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        {line}  # the bug
        return F.max_pool2d(x, 2)
"""


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("x = inputs", NameError),
        ("x = x.reshape(1, 2, 3)", RuntimeError),
        ("n, c, h = x.shape", ValueError),
        ("x = x + torch.ones(30, 30)", RuntimeError),  # runs at one size only
        ("x = x.reshape(1, -1, x.shape[2] // 2, 2, x.shape[3]).amax(3)", RuntimeError),  # if even
        ("x.reshape(1, -1, x.shape[2] // 2 * 2 + 1, x.shape[3])", RuntimeError),  # if odd
    ],
)
def test_a_bug_in_forward_is_raised_with_its_line(line, kind, tmp_path, monkeypatch):
    (tmp_path / "broken_pooling.py").write_text(BROKEN.format(line=line))
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "broken_pooling", raising=False)
    with pytest.raises(kind) as raised:
        built("pooling._target_=broken_pooling.Pooling", "model.depth=8", size=30, device="cpu")
    assert not isinstance(raised.value, ConfigError)
    lines = [frame.line for frame in traceback.extract_tb(raised.value.__traceback__)]
    assert any(text and text.endswith("# the bug") for text in lines)


# One pixel gives one pixel.
ROUND_UP = ["blur_max", "blur_strided", "overlapping", "overlapping_padded", "strided"]
NAMES = [path.stem for path in sorted((CONF / "pooling").glob("*.yaml"))]


@pytest.mark.parametrize("norm", [("norm=batch",), ("norm=group", "norm.groups=4")])
@pytest.mark.parametrize(
    "name", [name for name in NAMES if name not in (*ROUND_UP, "dilated", "none")]
)
def test_images_that_are_too_small_are_refused(name, norm):
    words = ("model=vgg", "model.stages=[[4],[4],[8]]", f"pooling={name}", *norm)
    built(*words, size=8, device="cpu")
    with pytest.raises(ConfigError, match=r"^images of 7×7 pixels are too small for the poolings"):
        built(*words, size=7, device="cpu")


def test_groups_of_one_value_are_refused():
    words = ("model=vgg", "model.stages=[[4],[4],[8]]", "norm=group")
    with pytest.raises(ConfigError, match=r"^norm.groups: a feature map of 8 channels and 1×1"):
        built(*words, size=7, device="cpu")


class Halving(nn.Module):
    """A pooling with nothing but what CONTRIBUTING.md asks for."""

    def __init__(self, channels):
        super().__init__()
        self.pool = nn.MaxPool2d(2)

    def forward(self, x):
        return self.pool(x)


@pytest.mark.parametrize("model", ["resnet", "vgg", "inception", "googlenet"])
@pytest.mark.parametrize("skip", ["none", "identity", "projection"])
def test_any_module_is_a_pooling(model, skip):
    words = (f"model={model}", f"skip={skip}", "pooling=avg")
    network = built(*words, f"pooling._target_={__name__}.Halving", size=64)
    assert any(isinstance(module, Halving) for module in network.modules())
    expected = built(*words, size=64)
    assert network.state_dict().keys() == expected.state_dict().keys()
