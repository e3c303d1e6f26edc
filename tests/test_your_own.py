"""docs/your-own.md is followed from top to bottom, in an empty folder, with the wheel installed."""

import re
import subprocess
from dataclasses import dataclass

import pandas as pd
import pytest
from helpers import REPOSITORY
from mlflow import MlflowClient

# A block of code and the line of text before it, which ends with the name of a file that is shown.
BLOCK = re.compile(r"(?:^([^\n`][^\n]*)\n\n)?^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TUTORIAL = ("A pooling", "A data set", "A network", "A study", "Evaluation without training")
ELIDED = "…"


@dataclass(frozen=True)
class Command:
    """A command as the page shows it, with the lines that follow it."""

    words: str
    shown: str


def section(title):
    """Return the blocks of a section: (line before it, language, code)."""
    text = (REPOSITORY / "docs" / "your-own.md").read_text()
    (body,) = re.findall(rf"^(## {title}\n.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return BLOCK.findall(body)


def commands(code):
    """Return the commands of a console block."""
    first, *parts = re.split(r"^\$ ", code, flags=re.MULTILINE)
    assert first == ""
    split = (part.partition("\n") for part in parts)
    return [Command(words, shown) for words, _, shown in split]


def normal(text):
    """Return text without what differs between machines: numbers, and what follows from them."""
    text = re.sub(r"^Matplotlib is building.*\n", "", text, flags=re.MULTILINE)  # the first time
    text = re.sub(r"\*\*|</?ins>", "", text)  # the best of a column, and what is as good
    text = re.sub(r"\b(Supported|Refuted|Inconclusive)\b( \([^)]*\))?", "Judged", text)
    text = re.sub(r"[+−-]?\d+(\.\d+)?", "0", text)
    return " ".join(text.split())


def assert_shown(command, printed):
    """Compare what the page shows with what is printed; `…` stands for anything."""
    parts = map(re.escape, normal(command.shown).split(ELIDED))
    assert re.fullmatch(".*".join(parts), normal(printed), re.DOTALL), (command.words, printed)


def follow(title, folder, installed, **names):
    """Write the files that a section shows, and give its commands, with `names` replaced."""
    for before, language, code in section(title):
        if language != "console":
            (name,) = re.findall(r"`([\w/]+\.\w+)`:$", before)
            (folder / name).write_text(code)
            continue
        for command in commands(code):
            words = command.words
            for name, value in names.items():
                words = words.replace(name, value)
            done = subprocess.run(
                ["bash", "-c", words],
                cwd=folder,
                env=installed.variables,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=600,
            )
            assert done.returncode == 0, (words, done.stdout)
            assert_shown(command, done.stdout)


def runs(folder, experiment, kind="run"):
    client = MlflowClient(f"sqlite:///{folder}/mlflow.db")
    number = client.get_experiment_by_name(experiment).experiment_id
    return client.search_runs([number], f"tags.kind = '{kind}'")


@pytest.mark.slow
def test_from_an_empty_folder_to_a_page(tmp_path, installed):
    *sections, evaluation = TUTORIAL
    for title in sections:
        follow(title, tmp_path, installed)
    swept = runs(tmp_path, "pools")
    assert {run.info.status for run in swept} == {"FINISHED"}
    assert {run.data.params["model.args.pooling"] for run in swept} == {"max", "soft"}
    tried = runs(tmp_path, "adhoc")
    assert {run.info.status for run in tried} == {"FINISHED"}
    assert {run.data.params["freeze.layers"] for run in tried} == {"0", "1"}

    table = pd.read_csv(tmp_path / "results" / "pools" / "runs.csv")
    soft = table[table["params.model.args.pooling"] == "soft"].iloc[0]
    follow(evaluation, tmp_path, installed, RUN=soft.run_id)
    accuracies = [r.data.metrics["test/accuracy"] for r in runs(tmp_path, "adhoc", "evaluation")]
    assert accuracies == [soft["metrics.test/accuracy"]] * 2


@pytest.mark.slow
def test_a_network_of_torchvisions(tmp_path, installed):
    follow("A network of torchvision's", tmp_path, installed)
    assert {run.info.status for run in runs(tmp_path, "adhoc")} == {"FINISHED"}


@pytest.mark.slow
def test_surgery(tmp_path, installed):
    follow("Surgery", tmp_path, installed)
    params = [run.data.params for run in runs(tmp_path, "adhoc")]
    assert {p.get("surgery.pooling.size") for p in params} == {None, "3"}
    given = {(p.get("surgery.norm"), p.get("surgery.activation")) for p in params}
    assert given == {(None, None), (None, "gelu"), ("group", "gelu")}
    assert sorted(p["surgery.replaced"] for p in params) == ["1", "29", "9"]
