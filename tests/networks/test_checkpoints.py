"""Other people's state dicts load strictly and give bit-equal logits."""

import warnings

import pytest
import torch
import torchvision
from helpers import built
from public_networks import CifarResNet, lived_in
from torch import nn

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.networks.checkpoints import load_weights
from cnn_anatomy.networks.weight_files import read_weights
from cnn_anatomy.training.transfer import copy_weights


def assert_same(network, model, size, tolerance=0.0):
    x = torch.randn(2, 3, size, size, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        ours, theirs = network.eval()(x).logits, model(x)
    assert ours.std() > 0
    # Bit for bit but for projections, which subsample, then convolve: with some processors' kernels
    # that rounds otherwise than a convolution with a stride.
    if tolerance:
        assert torch.allclose(ours, theirs, rtol=tolerance, atol=tolerance * float(theirs.std()))
    else:
        assert torch.equal(ours, theirs)


@pytest.mark.parametrize("wrapped", [False, True], ids=["plain", "wrapped"])
@pytest.mark.parametrize("skip", ["identity", "projection"])
def test_a_cifar_resnet_gives_the_same_logits(tmp_path, skip, wrapped):
    model = lived_in(CifarResNet(3, skip == "projection"))
    state = model.state_dict()
    if wrapped:
        parallel = {f"module.{key}": value for key, value in state.items()}
        state = {"state_dict": parallel, "best_prec1": 91.7}
    torch.save(state, tmp_path / "resnet20.th")
    network = built("model.depth=20", f"skip={skip}", device="cpu")
    load_weights(network, read_weights(tmp_path / "resnet20.th"))
    assert_same(network, model, 32, 1e-5 if skip == "projection" else 0.0)


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("resnet18", ("model=resnet18",)),
        ("resnet50", ("model=resnet50",)),
        ("googlenet", ("model=googlenet_torchvision", "aux=googlenet")),
        ("googlenet", ("model=googlenet_torchvision", "model.stem.rescale=true")),
    ],
    ids=["resnet18", "resnet50", "googlenet", "rescaled googlenet without auxiliary heads"],
)
def test_torchvisions_networks_give_the_same_logits(tmp_path, name, overrides):
    torch.manual_seed(0)
    kinds = {"googlenet": {"aux_logits": True, "init_weights": False}}
    model = torchvision.models.get_model(name, weights=None, **kinds.get(name, {}))
    model.transform_input = "model.stem.rescale=true" in overrides
    torch.save(lived_in(model).state_dict(), tmp_path / f"{name}.pth")
    network = built(*overrides, size=224, classes=1000, device="cpu")
    load_weights(network, read_weights(tmp_path / f"{name}.pth"))
    assert_same(network, model, 224, 1e-5 if name.startswith("resnet") else 0.0)


def test_the_auxiliary_heads_of_torchvision_are_ours(tmp_path):
    with warnings.catch_warnings(action="ignore"):
        model = lived_in(torchvision.models.googlenet(weights=None, num_classes=10))
    torch.save(model.state_dict(), tmp_path / "googlenet.pth")
    aux = ("aux=googlenet", "aux.window=0")  # theirs is adaptive
    network = built("model=googlenet_torchvision", *aux, size=64, classes=10, device="cpu")
    load_weights(network, read_weights(tmp_path / "googlenet.pth"))
    x = torch.randn(2, 512, 14, 14)
    head = network.auxiliary["2"].eval()
    assert torch.equal(head(x), model.aux1(x))


def test_vgg_with_batch_normalisation_gives_the_same_logits(tmp_path):
    layers = ("M", 8, 8, "M", 16, 16, 16, "M")
    features = torchvision.models.vgg.make_layers([4, 4, *layers], batch_norm=True)
    model = torchvision.models.VGG(features, num_classes=10)
    model.avgpool = nn.Identity()
    model.classifier[0] = nn.Linear(16 * 4 * 4, 4096)
    model.classifier[3] = nn.Linear(4096, 64)
    model.classifier[6] = nn.Linear(64, 10)
    torch.save(lived_in(model).state_dict(), tmp_path / "vgg.pth")
    stages = "model.stages=[[4,4],[8,8],[16,16,16]]"
    network = built(
        *("model=vgg16", "norm=batch_biased", stages, "head.hidden=[4096,64]"), device="cpu"
    )
    load_weights(network, read_weights(tmp_path / "vgg.pth"))
    assert_same(network, model, 32)


def test_a_mismatch_names_the_first_key_and_both_shapes(tmp_path):
    path = tmp_path / "resnet20.th"
    state = CifarResNet(3, projected=False).state_dict()
    torch.save(state, path)
    for overrides, sentence in (
        (
            ("model.depth=20", "model.width=8"),
            r"conv1\.weight is of shape \(16, 3, 3, 3\) in the file "
            r"and of shape \(8, 3, 3, 3\) in the network",
        ),
        (("model.depth=26",), r"layer1\.3\.conv1\.weight is absent in the file and of shape"),
        (("model.depth=14",), r"layer1\.2\.conv1\.weight is of shape .* absent in the network"),
        (("model.depth=20", "skip=projection"), r"layer2\.0\.downsample\.0\.weight is absent in"),
        (("model.depth=20", "block=norm_after_addition"), r"layer1\.0\.bn2\.weight|act"),
    ):
        network = built(*overrides, device="cpu")
        before = {k: v.clone() for k, v in network.state_dict().items()}
        with pytest.raises(ConfigError, match=sentence):
            load_weights(network, read_weights(path))
        assert all(torch.equal(v, before[k]) for k, v in network.state_dict().items())


class Intruder:
    """Runs code when a careless reader unpickles it."""

    def __reduce__(self):
        return (exec, ("raise SystemExit('code ran')",))


def test_files_that_are_no_state_dict_are_refused_in_a_sentence(tmp_path):
    network = built("model.depth=8", device="cpu")
    for content, sentence in (
        ({"state_dict": Intruder()}, "could run code"),
        ([1, 2], "holds list, not a state dict"),
        ({"epoch": 3}, "holds no state dict"),
        ({"encoder.weight": torch.zeros(1)}, "encoder.weight, which is in no known layout"),
    ):
        torch.save(content, tmp_path / "file.pth")
        with pytest.raises(ConfigError, match=sentence):
            load_weights(network, read_weights(tmp_path / "file.pth"))
    (tmp_path / "text.pth").write_text("not a checkpoint")
    with pytest.raises(ConfigError, match=r"text\.pth"):
        load_weights(network, read_weights(tmp_path / "text.pth"))
    with pytest.raises(ConfigError, match="is not there"):
        load_weights(network, read_weights(tmp_path / "nowhere.pth"))


def test_old_files_lack_the_counter_of_batches(tmp_path):
    model = lived_in(CifarResNet(1, projected=False))
    state = {k: v for k, v in model.state_dict().items() if not k.endswith("batches_tracked")}
    torch.save(state, tmp_path / "old.th")
    network = built("model.depth=8", device="cpu")
    load_weights(network, read_weights(tmp_path / "old.th"))
    assert_same(network, model, 32)


def test_a_public_checkpoint_of_another_task_transfers(tmp_path):
    model = lived_in(CifarResNet(1, projected=True))
    network = built("model.depth=8", "skip=projection", classes=5, device="cpu")
    before = network.head.classifier.weight.clone()
    copy_weights(network, model.state_dict())
    assert torch.equal(network.stages[0][0].residual[0].conv.weight, model.layer1[0].conv1.weight)
    assert torch.equal(network.head.classifier.weight, before)
    with pytest.raises(
        ConfigError, match=r"transfer\.source: .* layer1\.1\..* is absent in the file"
    ):
        copy_weights(built("model.depth=14", "skip=projection", device="cpu"), model.state_dict())
