"""An operation that PyTorch can't repeat exactly is refused by a sentence."""

import pytest
import torch
from torch import nn

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.training.build import build_classifier
from cnn_anatomy.training.fit import fit
from cnn_anatomy.training.run_spec import RunSpec


class Scattered(nn.Identity):
    """Writes zeros by `put_`, which PyTorch refuses on every device when asked for determinism."""

    def forward(self, x):
        x.detach().put_(torch.tensor([0, 0]), torch.zeros(2))
        return x


def test_the_sentence_names_operation_and_choices(small, digits):
    spec = RunSpec.of(small())
    classifier, _ = build_classifier(spec, digits)
    classifier.network.stem = nn.Sequential(Scattered(), classifier.network.stem)
    with pytest.raises(ConfigError, match=r"deterministic=true: put_ has no .*=warn or false"):
        fit(spec, classifier, digits, logger=None)


def test_other_errors_are_bugs(small, digits):
    spec = RunSpec.of(small())
    classifier, _ = build_classifier(spec, digits)
    classifier.network.stem = nn.Conv2d(7, 7, 1)
    with pytest.raises(RuntimeError, match="channels"):
        fit(spec, classifier, digits, logger=None)
