"""docs/your-own.md is followed literally, in an empty folder."""

import re
import shlex
import shutil
import sys

import pytest
from helpers import REPOSITORY, SMALL, environment
from mlflow import MlflowClient
from processes import ended, start

SMALL_DATA = SMALL[1:]


def section(title):
    """Return a section of the page, and its blocks of code: (language, code)."""
    text = (REPOSITORY / "docs" / "your-own.md").read_text()
    (body,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    return body, re.findall(r"^```(\w+)\n(.*?)^```", body, re.MULTILINE | re.DOTALL)


def write_files(folder, title):
    """Write the files that a section shows."""
    body, blocks = section(title)
    code = [text for language, text in blocks if language == "python"]
    for name, text in zip(re.findall(r"in `(\w+\.py)`:", body), code, strict=True):
        (folder / name).write_text(text)


def give_commands(folder, title, **names):
    """Give the commands of a section in `folder`, with `names` replaced; return how many."""
    blocks = section(title)[1]
    commands = [line for kind, text in blocks if kind == "sh" for line in text.splitlines()]
    for command in commands:
        for name, value in names.items():
            command = command.replace(name, value)
        program, *words = shlex.split(command)
        assert program == "cnn-anatomy"
        script = [sys.executable, "-c", "from cnn_anatomy.train import main; main()"]
        ended(start(folder, *script, *words, *SMALL_DATA, env=environment(folder)))
    return len(commands)


def runs(uri, kind):
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("adhoc").experiment_id
    return client, client.search_runs([experiment], f"tags.kind = '{kind}'")


@pytest.mark.slow
@pytest.mark.every_part
def test_a_network_of_your_own_and_its_evaluation(tmp_path, uri):
    write_files(tmp_path, "A network of your own")
    assert give_commands(tmp_path, "A network of your own") == 3
    client, trained = runs(uri, "run")
    assert {run.info.status for run in trained} == {"FINISHED"}
    assert {run.data.params["model.args.width"] for run in trained} == {"8", "16"}
    assert {run.data.params["freeze.layers"] for run in trained} == {"0", "1"}
    narrow = next(run for run in trained if run.data.params["model.args.width"] == "8")
    weights = client.download_artifacts(narrow.info.run_id, "weights.pt", str(tmp_path))
    shutil.move(weights, tmp_path / "best.pt")
    title = "Evaluation without training"
    assert give_commands(tmp_path, title, RUN=narrow.info.run_id) == 2
    accuracies = {run.data.metrics["test/accuracy"] for run in runs(uri, "evaluation")[1]}
    assert accuracies == {narrow.data.metrics["test/accuracy"]}


@pytest.mark.slow
def test_a_network_of_torchvisions(tmp_path, uri):
    assert give_commands(tmp_path, "A network of torchvision's") == 2
    assert {run.info.status for run in runs(uri, "run")[1]} == {"FINISHED"}
