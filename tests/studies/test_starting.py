"""`cnn-anatomy new` writes files that work as they are."""

import subprocess
import sys
from pathlib import Path

import pytest
from helpers import environment
from processes import TRAIN, ended, python_path, start

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.studies.starting import COMMANDS, KINDS, start_files

SHORT = ("model.width=4", "model.depth=8", "trainer.max_epochs=1", "data.train_limit=40")


def test_every_key_of_a_written_study_has_its_comment_and_it_is_read(tmp_path):
    from cnn_anatomy.studies.study import load_study

    start_files(("study", "mine"), tmp_path)
    study = load_study(str(tmp_path / "mine.yaml"))
    assert len(study.runs()) == 6
    assert [claim.id for claim in study.claims] == ["mine1"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "new is none of new study|pooling|data NAME"),
        (("pool", "mine"), "did you mean pooling"),
        (("pooling", "max"), "choose a name that is none of avg, blur_max"),
        (("data", "torch"), "Python has a module torch, which torch.py would hide"),
        (("study", "skip"), "choose a name that is none of attention, aux"),
        (("study", "a-b"), "a-b is no name of a Python module"),
    ],
)
def test_what_it_refuses(tmp_path, words, said):
    with pytest.raises(ConfigError) as refused:
        start_files(words, tmp_path)
    assert said in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_no_file_is_overwritten(tmp_path):
    (tmp_path / "test_mine.py").write_text("kept")
    with pytest.raises(ConfigError, match=r"test_mine\.py exists"):
        start_files(("data", "mine"), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["test_mine.py"]


@pytest.mark.slow
@pytest.mark.every_part
@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_runs_and_passes_its_test(kind, tmp_path, uri):
    folder = tmp_path / "mine"
    env = environment(tmp_path, uri, PYTHONPATH=python_path(folder))
    env["PATH"] = f"{Path(sys.executable).parent}:{env['PATH']}"
    printed, _ = ended(start(folder, *TRAIN, "new", kind, "first", env=env))
    *files, command = printed.splitlines()
    assert all((folder / file).is_file() for file in files)
    words = COMMANDS[kind].format(name="first").split()
    assert command.split() == words
    short = SHORT if kind != "study" else ("trainer.max_epochs=1",)
    printed, _ = ended(start(folder, *TRAIN, *words[1:], *short, env=env))
    assert "test accuracy" in printed
    test = [sys.executable, "-m", "pytest", "-q", "test_first.py"]
    subprocess.run(test, cwd=folder, env=env, check=True, timeout=300)
