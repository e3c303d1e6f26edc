"""Where there is no terminal, lines tell how far a training is."""

import re

import lightning.pytorch as pl
import pytest

from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.progress_lines import ProgressLines
from cnn_anatomy.training.run_spec import RunSpec

LINE = re.compile(r"epoch (\d) of 3: val\. loss \d+\.\d{3}, val\. accuracy \d+\.\d%")


@pytest.fixture
def trained(small):
    """Return a function that trains three epochs, and evaluates, with a line every `seconds`."""

    def train(seconds):
        spec = RunSpec.of(small("trainer.max_epochs=3"))
        data = build_data(spec)
        classifier, _ = build_classifier(spec, data)
        trainer = pl.Trainer(
            **spec.config.trainer,
            logger=False,
            callbacks=[ProgressLines(seconds)],
            enable_checkpointing=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        trainer.fit(classifier, datamodule=data)
        trainer.validate(classifier, datamodule=data, verbose=False)

    return train


def test_each_validation_has_a_line_if_the_last_is_old_enough(trained, capsys):
    trained(seconds=0.0)
    lines = capsys.readouterr().err.splitlines()
    told = [found[1] for line in lines if (found := LINE.fullmatch(line))]
    assert told == ["1", "2", "3"]


def test_a_short_training_prints_none(trained, capsys):
    trained(seconds=30.0)
    assert not LINE.search(capsys.readouterr().err)


def test_an_evaluation_alone_prints_none(small, capsys):
    spec = RunSpec.of(small())
    data = build_data(spec)
    classifier, _ = build_classifier(spec, data)
    trainer = pl.Trainer(
        accelerator="cpu", logger=False, callbacks=[ProgressLines(0.0)], enable_checkpointing=False
    )
    trainer.validate(classifier, datamodule=data, verbose=False)
    assert "val. loss" not in capsys.readouterr().err
