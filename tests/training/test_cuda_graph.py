"""Which networks a CUDA graph can't hold, and that a CPU trains without one."""

import pytest
import torch

from cnn_anatomy.training.build import build_classifier
from cnn_anatomy.training.cuda_graph import obstacle
from cnn_anatomy.training.fit import fit
from cnn_anatomy.training.run_spec import RunSpec


@pytest.mark.parametrize(
    ("overrides", "reason"),
    [
        ((), None),
        (("freeze=layers", "freeze.layers=3"), None),
        (("freeze=gradual",), "layers are thawed during training"),
        (("aux=heads",), "Dropout draws random numbers"),
        (("pooling=stochastic",), "Stochastic draws random numbers"),
    ],
)
def test_what_cannot_be_captured_has_a_reason(small, digits, overrides, reason):
    classifier, _ = build_classifier(RunSpec.of(small("model.depth=8", *overrides)), digits)
    assert obstacle(classifier) == reason


def test_a_cpu_trains_without(small, digits):
    weights = []
    for callbacks in ("default", "cuda_graph"):
        spec = RunSpec.of(small("trainer.accelerator=cpu", f"callbacks={callbacks}"))
        classifier, _ = build_classifier(spec, digits)
        weights.append(fit(spec, classifier, digits, logger=None)[1])
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
