"""On a GPU: runs repeat to the bit, batches are the CPU's, and no step waits for the card."""

import pytest
import torch
from helpers import SMALL, composed
from lightning.pytorch.callbacks import Callback

from cnn_anatomy.networks.adaptive_average import AdaptiveAverage
from cnn_anatomy.studies.study import load_study, study_names
from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.fit import fit
from cnn_anatomy.training.run_spec import RunSpec

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU"),
]
# Two steps of training, whatever the network.
TWO_STEPS = [word for word in SMALL if not word.startswith("model.")]
EAGER = "~callbacks.cuda_graph"
VARIANTS = {
    f"{study.name}: {run.variant}": run.overrides
    for study in map(load_study, study_names())
    for run in study.runs([0])
}


def trained(tmp_path, *overrides, change=lambda network: None, device="gpu"):
    """Train on the GPU; return the metrics, without speeds, and the weights on the CPU."""
    words = (f"paths.cache={tmp_path}", f"trainer.accelerator={device}", *TWO_STEPS)
    spec = RunSpec.of(composed(*words, *overrides))
    data = build_data(spec)
    classifier, _ = build_classifier(spec, data)
    change(classifier.network)
    metrics, weights = fit(spec, classifier, data, logger=None)
    metrics = {k: str(v) for k, v in metrics.items() if not k.startswith("speed/")}  # nan too
    return metrics, {name: weight.cpu() for name, weight in weights.items()}


def assert_same(first, second):
    assert first[0] == second[0]
    different = [name for name in first[1] if not torch.equal(first[1][name], second[1][name])]
    assert not different
    assert first[1].keys() == second[1].keys()


@pytest.mark.parametrize("variant", VARIANTS)
def test_every_variant_of_every_study_repeats_to_the_bit(variant, tmp_path):
    words = [word for word in VARIANTS[variant] if not word.startswith("transfer")]
    words += TWO_STEPS
    assert_same(trained(tmp_path, *words), trained(tmp_path, *words))


def test_features_computed_once_are_those_computed_anew(tmp_path):
    words = ("freeze=feature_extraction", "data.augment=null", "trainer.max_epochs=3")
    anew = trained(tmp_path, *words, "callbacks.frozen_prefix.limit=0")
    assert_same(trained(tmp_path, *words), anew)


def test_batches_are_those_of_the_cpu(tmp_path):
    data = build_data(RunSpec.of(composed(f"paths.cache={tmp_path}", *SMALL)))
    train = data.load().train
    on_cpu = data.batches(train, train=True)
    data.trainer = type("Trainer", (), {})()
    data.trainer.strategy = type("Strategy", (), {"root_device": torch.device("cuda")})()
    on_card = data.batches(train, train=True)
    for (images, labels), (cuda_images, cuda_labels) in zip(on_cpu, on_card, strict=True):
        assert cuda_images.is_cuda
        assert torch.equal(images, cuda_images.cpu())
        assert torch.equal(labels, cuda_labels.cpu())


class NoWaiting(Callback):
    """Lets PyTorch raise an error if a step waits for the card, from the second one of an epoch."""

    def on_train_batch_start(self, trainer, module, batch, batch_idx):
        torch.cuda.set_sync_debug_mode("error" if batch_idx else "default")

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if batch_idx == trainer.num_training_batches - 1:
            torch.cuda.set_sync_debug_mode("default")


def test_no_step_waits_for_the_card(tmp_path):
    words = ("data.source.train=200", "data.batch_size=20", "trainer.max_epochs=2")
    callback = f"+callbacks.no_waiting={{_target_: {__name__}.NoWaiting}}"
    try:
        trained(tmp_path, *words, callback)
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("size", [(9, 7), (8, 8), (3, 5)])
def test_the_adaptive_average_is_pytorchs_and_repeats(size):
    torch.use_deterministic_algorithms(True)
    try:
        x = torch.randn(4, 6, *size)
        expected = torch.nn.functional.adaptive_avg_pool2d(x, 4)
        gradients = []
        for _ in range(3):
            on_card = x.cuda().requires_grad_()
            result = AdaptiveAverage(4)(on_card)
            result.square().sum().backward()
            gradients.append(on_card.grad)
        torch.testing.assert_close(result.cpu(), expected)
        assert all(torch.equal(gradient, gradients[0]) for gradient in gradients)
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_graph_trains_to_the_same_bits(variant, tmp_path):
    words = [word for word in VARIANTS[variant] if not word.startswith("transfer")]
    words += [*TWO_STEPS, "data.source.train=100"]
    assert_same(trained(tmp_path, *words), trained(tmp_path, *words, EAGER))


@pytest.mark.parametrize(
    "words",
    [
        ("model=inception", "aux=heads", "aux.weight=0.3", "aux.decay=1"),
        ("freeze=feature_extraction", "data.augment=null"),
        ("trainer.gradient_clip_val=0.1",),
        ("optimizer=adamw",),
        ("trainer.precision=32-true",),
    ],
)
def test_a_graph_follows_what_changes_from_step_to_step(words, tmp_path):
    words = (*words, "data.source.train=100", "trainer.max_epochs=3")
    assert_same(trained(tmp_path, *words), trained(tmp_path, *words, EAGER))


def test_a_graph_is_captured_once_and_replayed_in_every_step(tmp_path, monkeypatch):
    replays = []
    original = torch.cuda.CUDAGraph.replay
    monkeypatch.setattr(
        torch.cuda.CUDAGraph, "replay", lambda graph: replays.append(graph) or original(graph)
    )
    trained(tmp_path, "data.source.train=100", "data.batch_size=20", "trainer.max_epochs=2")
    assert len(replays) == 10
    assert len(set(map(id, replays))) == 1


def test_what_waits_for_the_card_trains_without_a_graph(tmp_path, capfd):
    words = (tmp_path, "callbacks.cuda_graph.own_code=true")
    assert_same(trained(*words, change=wait), trained(tmp_path, EAGER, change=wait))
    assert "no CUDA graph: " in capfd.readouterr().err


class Waiting(torch.nn.Identity):
    """A layer whose forward pass reads a value back from the card."""

    def forward(self, x):
        return x * float(x.max() >= x.min())


def wait(network):
    network.stem = torch.nn.Sequential(network.stem, Waiting())
