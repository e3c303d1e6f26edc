"""Published networks: their counts, their references' outputs, and the axes beside them."""

import pytest
import torch
import torchvision
from helpers import built, composed, environment
from hydra import compose, initialize_config_dir
from mlflow import MlflowClient
from processes import TRAIN, ended, start
from torch import nn

from cnn_anatomy.config.validation import check_config
from cnn_anatomy.core.paths import CONF
from cnn_anatomy.networks.interface import own_tensors
from tools.networks import PAGE, REFERENCES, presets, row

PRESETS = presets()
TORCHVISION = {
    "convnext_tiny": torchvision.models.convnext_tiny,
    "densenet121": torchvision.models.densenet121,
    "efficientnet_b0": torchvision.models.efficientnet_b0,
    "mobilenet_v2": torchvision.models.mobilenet_v2,
    "resnext50": torchvision.models.resnext50_32x4d,
}


def count(module):
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("words", REFERENCES)
def test_it_has_the_references_parameters_and_its_row_in_the_page(words):
    text = row(words)
    columns = [column.strip() for column in text.split("|")]
    reference = REFERENCES[words]
    assert columns[6] == f"{reference.parameters:,}"
    assert columns[2] == f"{reference.parameters - reference.unused:,}"
    assert text in PAGE.read_text(encoding="utf-8").splitlines()


def test_the_page_has_every_preset_and_no_other_row():
    rows = [x for x in PAGE.read_text(encoding="utf-8").splitlines() if x.startswith("| `")]
    assert len(rows) == len(REFERENCES)
    assert {f"network={name}" for name in PRESETS} <= REFERENCES.keys()


def shapes(module):
    """Return the sizes of a module's own tensors; those of 1 are left out: Linear is a 1×1 conv."""
    return [[n for n in tensor.shape if n > 1] for tensor in own_tensors(module)]


def copy(module, twin):
    for old, new in zip(own_tensors(module), own_tensors(twin), strict=True):
        new.data.copy_(old.data.view_as(new))


def weighted(network, image):
    """Return the modules with weights of their own in forward order."""
    order = {}

    def record(module, _):
        order[module] = None

    hooks = [
        module.register_forward_pre_hook(record)
        for module in network.modules()
        if own_tensors(module)
    ]
    with torch.no_grad():
        network.eval()(image)
    for hook in hooks:
        hook.remove()
    return list(order)


def distinct(network):
    """Return a network whose norms and scales are not the same for every channel."""
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_()
        if isinstance(module, nn.BatchNorm2d | nn.LayerNorm):
            module.weight.data.uniform_(0.5, 1.5)
        if hasattr(module, "layer_scale"):
            module.layer_scale.data.uniform_(0.5, 1.5)
    return network


@pytest.mark.parametrize("name", TORCHVISION)
def test_the_same_weights_give_torchvisions_logits(name):
    image = torch.randn(2, 3, 64, 64)
    theirs = distinct(TORCHVISION[name](weights=None, num_classes=10))
    ours = built(f"network={name}", size=64, device="cpu")
    left = weighted(ours, image)
    for module in weighted(theirs, image):
        twin = next(other for other in left if shapes(other) == shapes(module))
        copy(module, twin)
        left.remove(twin)
    assert left == []
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(image).logits, theirs.eval()(image))


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_valid_configuration(name):
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"network={name}"], return_hydra_config=True)
    check_config(config, config.hydra.runtime.choices)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_sets_options_of_axes_and_keys_of_the_model_alone(name):
    """So another option on an axis finds no keys that it does not take."""
    with initialize_config_dir(str(CONF), version_base="1.3"):
        config = compose("train", [f"network={name}"], return_hydra_config=True)
    choices = config.hydra.runtime.choices
    words = [f"{a}={choices[a]}" for a in choices if not {"/", "@"} & set(a) and a != "network"]
    spelled = composed(*words)
    changed = {key for key in spelled if config[key] != spelled[key]}
    assert changed <= {"model", "inception"}


@pytest.mark.parametrize("name", PRESETS)
def test_axes_beside_a_preset(name):
    words = (f"network={name}", "pooling=blur_max", "activation=gelu", "norm=group")
    network = built(*words, size=REFERENCES[f"network={name}"].side)
    kinds = {
        type(module).__name__
        for name, module in network.named_modules()
        if name != "stem.conv.pool"  # the stride of a stem's first convolution is not an axis
    }
    assert {"BlurMax", "GELU", "Group"} <= kinds
    assert not {"Strided", "ReLU6", "BatchNorm2d"} & kinds


def test_an_option_wins_over_the_presets():
    network = built("network=mobilenet_v2_cifar", "block=basic", "skip=none", "head=gap")
    assert count(network) != REFERENCES["network=mobilenet_v2_cifar"].parameters
    assert network.head.classifier.in_features == 320


@pytest.mark.slow
def test_a_preset_trains_and_is_a_param(tmp_path, uri):
    small = [
        *("data.source.train=40", "data.source.val=20", "data.source.test=20"),
        *("data.batch_size=20", "trainer.max_epochs=1"),
    ]
    words = [*TRAIN, "network=uva_resnet", "pooling=blur_max", *small]
    ended(start(tmp_path, *words, env=environment(tmp_path, uri)))
    client = MlflowClient(uri)
    (run,) = client.search_runs([client.get_experiment_by_name("adhoc").experiment_id])
    assert run.data.params["network"] == "uva_resnet"
    assert run.data.params["pooling"] == "blur_max"
    gray = 2 * 16 * 9  # weights fewer: the first layer reads one channel and not three
    assert run.data.metrics["params/total"] == REFERENCES["network=uva_resnet"].parameters - gray
