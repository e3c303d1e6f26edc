"""Messages name the command that there is: make in a checkout, else the wheel's."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import environment
from processes import TRAIN, ended, start

from cnn_anatomy.config.options import option_names
from cnn_anatomy.core import commands


def test_a_checkout_has_make(monkeypatch):
    monkeypatch.setattr(commands, "REPOSITORY", Path("/somewhere"))
    assert commands.sweep_command() == "make sweep"
    assert commands.sweep_command("skip", seeds=5) == "make sweep STUDY=skip SEEDS=5"


def test_a_wheel_has_its_own_command(monkeypatch):
    monkeypatch.setattr(commands, "REPOSITORY", None)
    assert commands.sweep_command() == "cnn-anatomy --multirun study=core"
    expected = "cnn-anatomy --multirun study=skip hydra.sweeper.seeds=5"
    assert commands.sweep_command("skip", seeds=5) == expected


@pytest.mark.parametrize("word", ["--help", "-h"])
def test_help_is_short_and_names_every_option(tmp_path, word):
    printed, _ = ended(start(tmp_path, *TRAIN, word, env=environment(tmp_path)))
    assert len(printed.splitlines()) < 60
    assert all(len(line) <= 100 for line in printed.splitlines())
    assert printed.startswith("cnn-anatomy [OVERRIDES]")
    for axis in ("pooling", "network", "skip"):
        assert f"\n  {axis} " in printed
        assert all(name in printed for name in option_names(axis))
    assert "torch" not in subprocess.run(
        [sys.executable, "-X", "importtime", "-c",
         "from cnn_anatomy.config.command_help import command_help; command_help()"],
        capture_output=True, text=True, check=True,
    ).stderr.replace("torchvision", "")  # fmt: skip
