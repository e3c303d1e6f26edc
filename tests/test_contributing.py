"""CONTRIBUTING.md is followed literally, in a copy of the repository."""

import re
import shlex
import shutil
import sys

import pytest
from helpers import REPOSITORY, SMALL, environment
from mlflow import MlflowClient
from processes import ended, python_path, start


def section(title):
    """Return the blocks of code in a section, by language, without their indentation."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text()
    (body,) = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^   ```(\w+)\n(.*?)^   ```", body, re.MULTILINE | re.DOTALL)
    return {language: re.sub("^   ", "", code, flags=re.MULTILINE) for language, code in blocks}


@pytest.mark.slow
@pytest.mark.every_part
def test_a_pooling_in_five_minutes(tmp_path, uri):
    copy = tmp_path / "copy"
    for part in ("src", "conf"):
        shutil.copytree(REPOSITORY / part, copy / part)
    blocks = section("A pooling in five minutes")
    with (copy / "src" / "cnn_anatomy" / "networks" / "pooling.py").open("a") as file:
        file.write("\n\n" + blocks["python"])
    (copy / "conf" / "pooling" / "minimum.yaml").write_text(blocks["yaml"])
    program, *words = shlex.split(blocks["sh"])
    assert program == ".venv/bin/python"

    env = environment(tmp_path, PYTHONPATH=python_path(copy / "src"))
    small = (*SMALL, "model.depth=8", "hydra.sweeper.seeds=1")
    words = [word for word in words if not word.startswith("hydra.sweeper.seeds=")]
    printed, _ = ended(start(copy, sys.executable, *words, *small, env=env))

    assert "minimum" in printed
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("adhoc").experiment_id
    runs = client.search_runs([experiment], "tags.kind = 'run'")
    assert {r.data.params["pooling"]: r.info.status for r in runs} == {
        "minimum": "FINISHED",
        "max": "FINISHED",
    }
