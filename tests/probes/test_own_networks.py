"""Every probe measures a user's network, or says in a line what it can't measure of it."""

from pathlib import Path

import lightning.pytorch as pl
import pandas as pd
import pytest
from helpers import SMALL, composed
from omegaconf import OmegaConf

from cnn_anatomy.config.options import option_names
from cnn_anatomy.core import notices
from cnn_anatomy.core.instantiation import instantiate
from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.run_spec import RunSpec

ALWAYS = {"train/loss", "test/accuracy", "consistency/shift", "features/fisher", "accuracy/small"}
MAPS = {"activation/contrast", "activation/contrast_stage_1"}
CAM = {"cam/peak_in_box", "cam/peak_excess"}
NO_MAP = "no feature map after stage 1"
NO_CAM = "no class-activation maps, as no spatial mean is classified"
NO_CONVOLUTION = "gradient/first, gradient/last: absent, as this network runs no convolution"


@pytest.fixture(scope="module")
def every_probe():
    """Return all probes of all options of conf/probes."""
    options = [composed(f"probes={name}").probes for name in option_names("probes")]
    return OmegaConf.merge(*(OmegaConf.to_container(option) for option in options))


def measured(config, probes, tmp_path):
    """Train and test with the probes; return every metric that reached a logger."""
    spec = RunSpec.of(config)
    data = build_data(spec)
    classifier, counts = build_classifier(spec, data)
    logger = pl.loggers.CSVLogger(tmp_path)
    trainer = pl.Trainer(
        **spec.config.trainer,
        logger=logger,
        callbacks=list(instantiate(probes).values()),
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(classifier, datamodule=data)
    tested = trainer.test(classifier, datamodule=data, verbose=False)
    columns = pd.read_csv(Path(logger.log_dir) / "metrics.csv").columns
    return {*columns, *(name for result in tested for name in result)}, counts


@pytest.mark.parametrize(
    ("name", "more", "absent"),
    [
        ("Small", MAPS | CAM | {"gradient/first", "gradient/stage_2", "macs"}, []),
        ("Sided", MAPS | CAM | {"gradient/auxiliary_share_1"}, []),
        ("Flat", MAPS | {"gradient/last"}, [NO_CAM]),
        ("Tokens", {"gradient/stage_2"}, [NO_CAM, NO_MAP]),
        ("Perceptron", {"gradient/decay"}, [NO_CAM, NO_MAP, NO_CONVOLUTION]),
    ],
)
def test_all_probes(tmp_path, every_probe, capsys, monkeypatch, name, more, absent):
    monkeypatch.setattr(notices, "_printed", set())
    words = [*SMALL[1:], "model=own", f"model.target=own_networks.{name}"]
    aux = ["aux=own"] if name == "Sided" else []
    config = composed(f"paths.cache={tmp_path}", "trainer.precision=32-true", *words, *aux)
    names, counts = measured(config, every_probe, tmp_path)
    assert names >= ALWAYS | more
    assert counts["freeze.layers"] == 0
    assert bool(names & CAM) == (NO_CAM not in absent)
    assert bool(names & MAPS) == (NO_MAP not in absent)
    said = capsys.readouterr().err
    for line in (NO_MAP, NO_CAM, NO_CONVOLUTION):
        assert (line in said) == (line in absent)
