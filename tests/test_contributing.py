"""Each "in five minutes" of CONTRIBUTING.md is followed literally, in a copy of the repository."""

import re
import shlex
import shutil

import pytest
from helpers import REPOSITORY, SMALL, environment
from mlflow import MlflowClient
from processes import ended, python_path, start

PARTS = ("src", "conf", "experiments", "Makefile", "pyproject.toml", "requirements.lock")
FEW = SMALL[1:]  # images and epochs, at the network's own width


@pytest.fixture
def copy(tmp_path):
    """Return a copy of the repository that shares its environment."""
    folder = tmp_path / "copy"
    folder.mkdir()
    for part in PARTS:
        source = REPOSITORY / part
        (shutil.copytree if source.is_dir() else shutil.copy)(source, folder / part)
    (folder / ".venv").symlink_to(REPOSITORY / ".venv")
    return folder


def steps(title):
    """Yield the blocks of code of a section: the first path that its step names, language, code."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    (body,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    start_of_step = 0
    for block in re.finditer(r"^   ```(\w+)\n(.*?)^   ```", body, re.MULTILINE | re.DOTALL):
        step = body[start_of_step : block.start()].split("\n1. ")[-1]
        named = re.findall(r"`([\w/]+\.\w+)`", step)
        start_of_step = block.end()
        yield (named or [None])[0], block[1], re.sub("^   ", "", block[2], flags=re.MULTILINE)


def followed(title, copy, env, further):
    """Write a section's files, run its commands with `further` overrides; return the output."""
    printed = []
    for path, language, code in steps(title):
        if language != "sh":
            with (copy / path).open("a") as file:  # a class is added to its module
                file.write("\n\n" + code if file.tell() else code)
            continue
        for line in code.splitlines():
            program, *words = shlex.split(line)
            if program == "make":  # whose environment is that of the repository, and up to date
                words = ["-o", ".venv/stamp", *words, "ARGS=" + " ".join(further)]
            else:
                words += further
            printed.append(ended(start(copy, program, *words, env=env))[0])
    return "\n".join(printed)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("title", "further", "shown"),
    [
        pytest.param(
            "A pooling in five minutes",
            (*SMALL, "model.depth=8"),
            "minimum",
            marks=pytest.mark.every_part,
        ),
        ("An architecture in five minutes", FEW, "se"),
        ("A data set in five minutes", ("trainer.max_epochs=1",), "stripes"),
        ("A study in five minutes", (), "attention=se"),
        ("A paper in five minutes", (), "5.21"),
        ("A probe in five minutes", (*SMALL, "model.depth=8"), "accuracy/mirrored"),
    ],
)
def test_five_minutes_are_enough(title, further, shown, copy, tmp_path, uri):
    env = environment(tmp_path, PYTHONPATH=python_path(copy / "src"))
    printed = followed(title, copy, env, further)

    client = MlflowClient(uri)
    experiments = [e.experiment_id for e in client.search_experiments()]
    runs = client.search_runs(experiments, "tags.kind = 'run'")
    assert runs
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert shown in printed + str([run.data.to_dictionary() for run in runs])
    if title == "A study in five minutes":
        assert (copy / "experiments" / "results" / "gating" / "runs.csv").exists()
