"""The untrained network's gradients, beside float64's."""

import copy

import lightning.pytorch as pl
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from lightning.pytorch.loggers import CSVLogger

from cnn_anatomy.networks.interface import weight_layers
from cnn_anatomy.probes.auxiliary import AuxiliaryGradientProbe
from cnn_anatomy.probes.gradients import GradientProbe
from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.run_spec import RunSpec

NETWORK = ("model=plain", "model.depth=14", "norm=none", "aux=heads", "aux.dropout=0")


def measured(small, precision, folder):
    """Return what both probes measure in a run of one step, and the gradients in float64."""
    spec = RunSpec.of(small(*NETWORK, f"trainer.precision={precision}"))
    data = build_data(spec)
    classifier, _ = build_classifier(spec, data)
    exact = float64_gradients(classifier, *next(iter(data.train_dataloader())))
    probe = GradientProbe()
    logger = one_step(classifier, data, precision, folder, probe, AuxiliaryGradientProbe()).logger
    logger.save()
    untrained = pd.read_csv(logger.experiment.metrics_file_path).max()
    return probe.frame(), untrained, exact


def one_step(classifier, data, precision, folder, *probes):
    """Train one step with `probes`; return the trainer."""
    trainer = pl.Trainer(
        precision=precision,
        max_steps=1,
        accelerator="cpu",
        limit_val_batches=0,
        logger=CSVLogger(folder),
        callbacks=list(probes),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(classifier, datamodule=data)
    return trainer


def test_a_frozen_first_layer_has_no_auxiliary_share(small, tmp_path, capsys):
    spec = RunSpec.of(small(*NETWORK, "freeze=layers", "freeze.layers=1"))
    data = build_data(spec)
    classifier, _ = build_classifier(spec, data)
    trainer = one_step(classifier, data, "32-true", tmp_path, AuxiliaryGradientProbe())
    assert "auxiliary_share: absent while the first layer is frozen" in capsys.readouterr().err
    assert not [name for name in trainer.logged_metrics if "share" in name]


def float64_gradients(classifier, images, labels):
    """Return every layer's gradient of the whole loss, the main one and each auxiliary one."""
    network = copy.deepcopy(classifier.network).double().train()
    weights = [m.weight for _, m in weight_layers(network, images[:1].double())]
    output = network(images.double())
    weight = classifier.auxiliary.weight
    side = [weight * F.cross_entropy(a, labels) for a in output.auxiliary]
    main = F.cross_entropy(output.logits, labels)
    return [
        torch.autograd.grad(loss, weights, retain_graph=True, allow_unused=True)
        for loss in (main + sum(side), main, *side)
    ]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_untrained_gradients_are_float64s_in_any_precision(small, precision, tmp_path):
    frame, logged, exact = measured(small, precision, tmp_path)
    before, first = (frame[frame.epoch == epoch].rms.to_numpy() for epoch in (-1, 0))
    rms = [float(g.norm() / g.numel() ** 0.5) for g in exact[0]]
    assert before == pytest.approx(rms, rel=1e-4)
    if precision == "bf16-mixed":  # the same weights and images, in training's precision
        assert first != pytest.approx(rms, rel=1e-3)
    norms = [float(gradients[0].norm()) for gradients in exact[1:]]
    for head, norm in enumerate(norms[1:], 1):
        share = norm / sum(norms)
        assert logged[f"untrained/gradient/auxiliary_share_{head}"] == pytest.approx(
            share, rel=1e-4
        )
