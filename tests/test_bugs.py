"""A bug in a module of the user's is a traceback to its line, by the real command."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import SMALL, environment
from mlflow import MlflowClient

MODULE = """
import lightning.pytorch as pl
import torch.nn.functional as F
from torch import nn
from torch.optim.lr_scheduler import LRScheduler


class Pooling(nn.Module):
    def __init__(self, channels):
        super().__init__()

    def forward(self, x):
        return F.max_pool2d(x, 2)


class BrokenForward(Pooling):
    def forward(self, x):
        return F.max_pool2d(x.view(-1), 2)  # bug: forward


class BrokenTraining(Pooling):
    def forward(self, x):
        return F.max_pool2d(inputs if self.training else x, 2)  # bug: training


class BrokenConstructor(Pooling):
    def __init__(self, channels):
        super().__init__(channel)  # bug: constructor


class BrokenSchedule(LRScheduler):
    def __init__(self, optimizer, steps):
        super().__init__(optimizer)

    def get_lr(self):
        return [self.base_rates[0]]  # bug: schedule


class BrokenProbe(pl.Callback):
    def on_train_epoch_end(self, trainer, module):
        raise ValueError("half of it")  # bug: probe
"""
TINY = ("model.depth=8", *SMALL)


def command(folder, *words):
    """Run the real command beside a module of the user's."""
    (folder / "mine.py").write_text(MODULE)
    path = os.pathsep.join([str(folder), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, "-m", "cnn_anatomy.train", *words],
        cwd=folder,
        env=environment(folder, PYTHONPATH=path, WORKERS="1"),
        capture_output=True,
        text=True,
        timeout=300,
    )


def line(bug):
    """Return how a traceback names the line of a bug in the user's module."""
    number = next(n for n, text in enumerate(MODULE.splitlines(), 1) if f"# bug: {bug}" in text)
    return f'mine.py", line {number}, in '


def failed_run(uri):
    """Return the tags of the only run, which has failed, and its traceback."""
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("adhoc").experiment_id
    (run,) = client.search_runs([experiment], "tags.kind = 'run' and attributes.status = 'FAILED'")
    trace = Path(client.download_artifacts(run.info.run_id, "traceback.txt"))
    return run.data.tags, trace.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "bug", "kind"),
    [
        (["pooling._target_=mine.BrokenForward"], "forward", "RuntimeError"),
        (["pooling._target_=mine.BrokenTraining"], "training", "NameError"),
        (["pooling._target_=mine.BrokenConstructor"], "constructor", "NameError"),
        (["scheduler=cosine", "scheduler._target_=mine.BrokenSchedule"], "schedule", "Attribute"),
        (["+probes.mine._target_=mine.BrokenProbe"], "probe", "ValueError: half of it"),
    ],
    ids=["forward", "training", "constructor", "schedule", "probe"],
)
def test_a_bug_is_a_traceback_to_its_line(words, bug, kind, tmp_path, uri):
    process = command(tmp_path, *TINY, *words)
    assert process.returncode == 1, process.stderr
    assert "Traceback (most recent call last):" in process.stderr
    assert line(bug) in process.stderr
    *lines, last = process.stderr.splitlines()
    if bug == "forward":
        assert last == "The network was given images of shape (1, 1, 24, 24)."
        last = lines[-1]
    assert last.startswith(kind)
    assert "too small" not in process.stderr
    tags, trace = failed_run(uri)
    assert tags["reason"].startswith(kind)
    assert line(bug) in trace


def test_a_variant_with_a_bug_fails_alone(tmp_path, uri):
    variants = "pooling._target_=mine.BrokenForward,mine.Pooling"
    process = command(tmp_path, "--multirun", *TINY, variants)
    assert process.returncode == 1, process.stderr
    assert line("forward") in process.stderr
    assert process.stderr.splitlines()[-1].startswith("failed: adhoc: _target_=mine.BrokenForward")
    tags, trace = failed_run(uri)
    assert tags["variant"] == "_target_=mine.BrokenForward"
    assert line("forward") in trace
    assert "0 of 1" in process.stdout  # the table marks the hole
    assert "2 runs: 0 done before, 2 to train" in process.stdout


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["pooling._target_=mine.Absent"],
            "pooling._target_=mine.Absent is not found: mine has no class or function Absent",
        ),
        (["model=vgg", "data=digits"], "images of 8×8 pixels are too small for the poolings of 5"),
    ],
)
def test_a_mistake_is_still_a_sentence(words, sentence, tmp_path):
    process = command(tmp_path, *words)
    assert process.returncode == 2
    assert process.stderr.startswith(sentence)
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "mlflow.db").exists()
