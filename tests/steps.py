"""One step of training with the default probes, and what the test of the network measures."""

import lightning.pytorch as pl
import torch
from helpers import SMALL, composed

from cnn_anatomy.core.instantiation import instantiate
from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.run_spec import RunSpec

EVERY = {"test/accuracy", "consistency/shift", "gap/accuracy"}


def stepped(tmp_path, *words):
    """Train one step with the default probes, and test on ten images."""
    sizes = [f"data.source.{split}=10" for split in ("train", "val", "test")]
    small = (f"paths.cache={tmp_path}", *SMALL[1:], *sizes, "data.batch_size=10")
    config = composed(*small, "trainer.precision=32-true", *words)
    spec = RunSpec.of(config)
    data = build_data(spec)
    classifier, counts = build_classifier(spec, data)
    trainer = pl.Trainer(
        **spec.config.trainer,
        logger=pl.loggers.CSVLogger(tmp_path),
        callbacks=list(instantiate(spec.config.probes).values()),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    before = classifier.network.classifier.weight.clone()
    trainer.fit(classifier, datamodule=data)
    assert not torch.equal(classifier.network.classifier.weight, before)
    (metrics, _) = trainer.test(classifier, datamodule=data, verbose=False)
    return classifier, counts, metrics
