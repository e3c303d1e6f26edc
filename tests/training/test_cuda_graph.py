"""Which networks a CUDA graph can't hold, and that what a graph needs changes nothing on a CPU."""

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from torch import nn

from cnn_anatomy.training.build import build_classifier
from cnn_anatomy.training.cuda_graph import GraphedStep, obstacle
from cnn_anatomy.training.fit import fit
from cnn_anatomy.training.run_spec import RunSpec


class Own(nn.ReLU):
    """A user's layer."""


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ((), None),
        (("freeze=layers", "freeze.layers=3"), None),
        (("freeze=gradual",), "layers are thawed during training"),
        (("aux=heads",), None),
        (("pooling=stochastic",), "Stochastic draws from probabilities"),
    ],
)
def test_what_cannot_be_captured_has_a_reason(small, digits, overrides, reason):
    classifier, _ = build_classifier(RunSpec.of(small("model.depth=8", *overrides)), digits)
    assert obstacle(classifier) == reason


def test_accumulated_gradients_are_an_obstacle(small, digits):
    classifier, _ = build_classifier(RunSpec.of(small()), digits)
    assert obstacle(classifier, accumulated=2) == "gradients of several batches are added up"


def test_own_code_is_captured_only_if_asked_for(small, digits):
    classifier, _ = build_classifier(RunSpec.of(small()), digits)
    classifier.network.own = Own()
    assert obstacle(classifier).startswith("Own is code of your own: give callbacks.cuda_graph.own")
    assert obstacle(classifier, own_code=True) is None


def test_a_cpu_trains_without(small, digits):
    weights = []
    for words in ((), ("~callbacks.cuda_graph",)):
        spec = RunSpec.of(small("trainer.accelerator=cpu", *words))
        classifier, _ = build_classifier(spec, digits)
        weights.append(fit(spec, classifier, digits, logger=None)[1])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


class Recomputed(GraphedStep):
    """A step that does everything as with a graph, whose replay computes anew on the CPU."""

    def _capture(self, batch):
        self.batch = tuple(map(torch.clone, batch))
        self.weight = torch.full((), self.module.auxiliary_weight)
        self.graph = self

    def replay(self):
        self.results = self._compute()
        self.gradients = [(p, p.grad) for p in self.module.parameters() if p.grad is not None]


class Failing(GraphedStep):
    """A step whose capture fails on the way."""

    def _capture(self, batch):
        self.batch, self.weight = batch, None
        self._compute()
        raise RuntimeError("called a synchronizing CUDA operation\nand more")


class TakesTheStep(Callback):
    def __init__(self, step):
        self.step = step

    def on_train_start(self, trainer, module):
        module.step = self.step(module)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("model.depth=14", "aux=heads", "aux.dropout=0", "aux.decay=1", "probes=auxiliary"),
        ("freeze=feature_extraction", "data.augment=null"),
        ("trainer.gradient_clip_val=0.1", "optimizer=adamw"),
    ],
)
def test_the_step_around_a_replay_is_the_one_without(small, digits, words):
    assert_trains_as_without("Recomputed", small, digits, *words)


def test_a_failed_capture_leaves_no_trace_but_a_line(small, digits, capfd):
    assert_trains_as_without("Failing", small, digits)
    assert "no CUDA graph: called a synchronizing CUDA operation\n" in capfd.readouterr().err


def assert_trains_as_without(step, small, digits, *words):
    """Train with a step of this module and without; compare all metrics and weights."""
    results = []
    step = f"{{_target_: hydra.utils.get_class, path: {__name__}.{step}}}"
    callback = f"+callbacks.step={{_target_: {__name__}.TakesTheStep, step: {step}}}"
    for more in ((), (callback,)):
        spec = RunSpec.of(small("trainer.max_epochs=3", *words, *more))
        classifier, _ = build_classifier(spec, digits)
        metrics, weights = fit(spec, classifier, digits, logger=None)
        results.append(({k: v for k, v in metrics.items() if "speed" not in k}, weights))
    assert results[0][0] == results[1][0]
    assert all(torch.equal(results[0][1][name], results[1][1][name]) for name in results[0][1])


def test_a_weight_as_a_tensor_gives_the_same_bits(small, digits):
    """A graph reads the weight of the auxiliary losses from memory, a step without from Python."""
    spec = RunSpec.of(small("model.depth=14", "aux=heads", "aux.dropout=0"))
    classifier, _ = build_classifier(spec, digits)
    batch = next(iter(digits.batches(digits.load().train, train=False)))
    results = []
    for weight in (0.3, torch.full((), 0.3)):
        loss, _ = classifier.loss(batch, weight)
        results.append([loss, *torch.autograd.grad(loss, list(classifier.network.parameters()))])
    assert all(map(torch.equal, *results))


def test_a_run_has_the_same_key_with_a_graph_and_without(small):
    assert RunSpec.of(small()).key == RunSpec.of(small("~callbacks.cuda_graph")).key
