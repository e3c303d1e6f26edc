"""Any module from images to logits is a network: its stages, layers, heads and maps are found."""

import pytest
import torch
import torch.nn.functional as F
from torch.func import functional_call

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks import checkpoints
from cnn_anatomy.networks.auxiliary import Auxiliary, Own
from cnn_anatomy.networks.freezing import FeatureExtraction, Gradual, Layers, Stages, freeze
from cnn_anatomy.networks.interface import weight_layers
from cnn_anatomy.networks.own import own

IMAGE = torch.zeros(1, 1, 32, 32)
NAMES = ("Small", "Flat", "Sided", "Tokens", "Perceptron", "function")


def adapted(name, *, stages=None, classifier=None, auxiliary=None, **args):
    torch.manual_seed(0)
    return own(
        target=f"own_networks.{name}",
        args=args,
        stages=stages,
        classifier=classifier,
        auxiliary=auxiliary or Auxiliary(),
        channels=1,
        size=(32, 32),
        classes=10,
    )


def trained_names(network):
    return {name for name, p in network.module.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_those_of_the_module(name):
    network = adapted(name, **({} if name != "Small" else {"width": 6}))
    network.to(memory_format=network.memory_format)
    x = torch.randn(3, 1, 32, 32).contiguous(memory_format=torch.channels_last)
    module = network.module
    plain = {k: v.contiguous() for k, v in module.state_dict().items()}
    with torch.no_grad():
        network.eval()
        expected = functional_call(module, plain, (x.contiguous(),))
        assert torch.allclose(network(x).logits, expected, atol=1e-5)
    output = network.train()(x)
    F.cross_entropy(output.logits, torch.arange(3)).backward()
    assert output.auxiliary == ()


def test_only_code_that_needs_it_gets_contiguous_images():
    assert adapted("Small").memory_format == torch.channels_last
    assert adapted("Flat").memory_format == torch.contiguous_format


@pytest.mark.parametrize(
    ("name", "stages"),
    [
        ("Small", {0: ["entry"], 1: ["first.0", "between"], 2: ["second.0"], -1: ["fc"]}),
        ("Flat", {1: ["body.0"], -1: ["fc"]}),
        ("function", {1: ["0.0"], 2: ["0.2"], -1: ["0.6"]}),
        ("Perceptron", {1: ["hidden"], -1: ["out"]}),
    ],
)
def test_stages_are_the_children(name, stages):
    network = adapted(name)
    found: dict[int, list[str]] = {}
    for layer, _ in weight_layers(network, IMAGE):
        found.setdefault(network.stage_of(layer), []).append(layer.removeprefix("module."))
    assert found == stages
    assert len(network.stages) == max(stages)


def test_stages_and_classifier_by_name():
    network = adapted("Small", stages=["entry", "between"], classifier="second.0")
    assert network.stage_of("module.first.0") == 1
    assert network.stage_of("module.between") == 2
    assert network.stage_of("module.fc") == -1
    assert network.classifier is network.module.second[0]
    with pytest.raises(ConfigError, match=r"model.stages=frist names no module.*mean first"):
        adapted("Small", stages=["frist"])
    with pytest.raises(ConfigError, match=r"model.classifier=head names no module"):
        adapted("Small", classifier="head")


def test_maps_are_those_after_each_stage():
    network, x = adapted("Small").eval(), torch.randn(2, 1, 32, 32)
    maps = network.maps(x)
    assert {k: tuple(m.shape) for k, m in maps.items()} == {1: (2, 4, 16, 16), 2: (2, 8, 8, 8)}
    assert torch.allclose(network.module.fc(maps[2].mean((2, 3))), network(x).logits, atol=1e-6)
    assert adapted("Tokens").eval().maps(x) == {}


def test_class_activation_maps_add_up_to_the_logits():
    network, x = adapted("Small").eval(), torch.randn(2, 1, 32, 32)
    classes = torch.tensor([3, 7])
    maps = network.class_activation(x, classes)
    logits = network(x).logits[range(2), classes] - network.module.fc.bias[classes]
    assert maps.shape == (2, 8, 8)
    assert torch.allclose(maps.mean((1, 2)), logits, atol=1e-5)
    for name in ("Flat", "Tokens", "Perceptron"):
        assert adapted(name).eval().class_activation(x, classes) is None


def test_auxiliary_logits_are_the_modules_own_or_ours():
    network, x = adapted("Sided", auxiliary=Own()), torch.randn(2, 1, 32, 32)
    assert [tuple(a.shape) for a in network(x).auxiliary] == [(2, 10)]
    assert list(network.auxiliary.parameters()) == list(network.module.side.parameters())
    assert network.eval()(x).auxiliary == ()
    assert adapted("Sided")(x).auxiliary == ()
    ours = adapted("Small", auxiliary=Auxiliary([2], weight=0.3))
    output = ours(x)
    output.auxiliary[0].sum().backward()
    assert output.auxiliary[0].shape == (2, 10)
    assert ours.module.entry.weight.grad.abs().sum() > 0
    with pytest.raises(ConfigError, match="brings no auxiliary heads"):
        adapted("Small", auxiliary=Own())
    with pytest.raises(ConfigError, match="stage 1 returns no feature map"):
        adapted("Tokens", auxiliary=Auxiliary([1]))


@pytest.mark.parametrize("name", NAMES)
def test_feature_extraction_trains_the_classifier_alone(name):
    network = adapted(name)
    freeze(FeatureExtraction()(network, IMAGE))
    last = network.module.get_submodule(weight_layers(network.module, IMAGE)[-1][0])
    side = {f"side.{k}" for k in ("weight", "bias")} if name == "Sided" else set()
    trained = {p for p in network.parameters() if p.requires_grad}
    assert trained >= set(last.parameters())
    assert trained_names(network) - side == {
        n for n, p in network.module.named_parameters() if any(p is q for q in last.parameters())
    }


def test_leading_layers_and_stages_are_frozen():
    network = adapted("Small")
    freeze(Layers(2)(network, IMAGE))
    assert {n.partition(".")[0] for n in trained_names(network)} == {"between", "second", "fc"}
    assert not network.module.norm.training
    network = adapted("Small")
    freeze(Stages(1)(network, IMAGE))
    assert {n.partition(".")[0] for n in trained_names(network)} == {"second", "fc"}
    network = adapted("Tokens")
    freeze(Gradual(0.5)(network, IMAGE))
    assert trained_names(network) == {"out.weight", "out.bias"}
    with pytest.raises(ConfigError, match="0 to 4 weight layers"):
        Layers(5)(adapted("Small"), IMAGE)


def test_checkpoints_have_the_modules_own_names(tmp_path):
    source, network = adapted("Tokens"), adapted("Tokens")
    torch.nn.init.normal_(source.module.token)
    checkpoints.load_weights(network, source.module.state_dict())
    for key, value in source.state_dict().items():
        assert torch.equal(network.state_dict()[key], value)
    fresh = adapted("Tokens")
    fresh.module.out.weight.data.fill_(1)
    checkpoints.load_weights(fresh, source.state_dict(), without=fresh.task_parts)
    assert torch.equal(fresh.module.token, source.module.token)
    assert (fresh.module.out.weight == 1).all()
    with pytest.raises(ConfigError, match=r"entry.weight is .*4, 1, 3, 3.* in the file"):
        checkpoints.load_weights(adapted("Small", width=6), adapted("Small").module.state_dict())


def test_layers_that_are_chosen_get_weights_alone():
    source, network = adapted("Tokens"), adapted("Tokens")
    source.module.token.data.fill_(1)
    source.module.patches.weight.data.fill_(2)
    source.module.encoder.layers[0].linear1.weight.data.fill_(3)
    layers = Layers(1)(network, IMAGE)
    checkpoints.load_weights(network, source.state_dict(), modules=layers)
    assert (network.module.token == 1).all()
    assert (network.module.patches.weight == 2).all()
    assert (network.module.encoder.layers[0].linear1.weight != 3).any()


def test_what_is_no_such_network_is_refused():
    with pytest.raises(ConfigError, match=r"returns \(2, 4\) for 2 images, not logits of shape"):
        adapted("WithFeatures")
    with pytest.raises(ConfigError, match=r"returns \(2, 7\) for 2 images"):
        adapted("Small", num_classes=7)
    with pytest.raises(ConfigError, match=r"has no class or function Smal .*mean Small"):
        adapted("Smal")
    with pytest.raises(ConfigError, match=r"makes a Aided, not a torch.nn.Module"):
        adapted("Aided", early=1, logits=2)
    with pytest.raises(ConfigError, match=r"makes a Silent without forward, which maps images"):
        adapted("Silent")


def test_the_size_is_passed_by_the_names_that_take_it():
    assert adapted("Flat").module.fc.in_features == 4 * 4 * 4
    assert adapted("Tokens").module.position.shape[1] == 17
