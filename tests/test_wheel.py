"""The installed wheel works in an empty folder, without the repository."""

import re
import subprocess
import zipfile
from pathlib import Path

import pytest
from helpers import REPOSITORY, SMALL
from mlflow import MlflowClient

TINY = (*SMALL, "model.depth=8", "trainer.precision=32-true")
STUDY = """
question: Does a skip help a tiny network?
reading: The higher, the better.
overrides: [model.width=4, model.depth=8, data.source.train=40, trainer.max_epochs=1]
grid: {skip: [none, identity]}
seeds: 1
table: {rows: [skip], metrics: [test/accuracy, macs]}
"""


@pytest.fixture(scope="module")
def command(installed, tmp_path_factory):
    """Return a function that runs a command of the environment in an empty folder."""
    folder = tmp_path_factory.mktemp("empty")

    def run(program, *words):
        done = subprocess.run(
            [installed.python.parent / program, *words],
            cwd=folder,
            env=installed.variables,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.folder = folder
    return run


def make_table(study):
    """Return the words after `python -m` in the command that `make table` runs."""
    makefile = (REPOSITORY / "Makefile").read_text()
    (words,) = re.findall(r"^table:.*\n\t@\$\(RUN\) (.*) \$\(STUDY\)", makefile, re.MULTILINE)
    return [*words.split(), study]


def files(folder):
    return {path for path in folder.rglob("*") if path.is_file()}


def test_the_wheel_holds_configuration_and_studies_but_no_results(installed):
    with zipfile.ZipFile(installed.wheel) as archive:
        names = set(archive.namelist())
    for folder in ("conf", "experiments"):
        sources = set((REPOSITORY / folder).rglob("*.yaml"))
        expected = {f"cnn_anatomy/{path.relative_to(REPOSITORY)}" for path in sources}
        packed = {n for n in names if n.startswith(f"cnn_anatomy/{folder}/")}
        assert packed == {n for n in expected if "/results/" not in n}


@pytest.mark.slow
@pytest.mark.every_part
def test_it_runs_anywhere_and_writes_into_the_current_folder(installed, command):
    code = (
        "import cnn_anatomy as a, hydra_plugins.study_sweeper as b; print(a.__file__, b.__file__)"
    )
    for path in command("python", "-c", code).split():
        assert Path(path).is_relative_to(installed.packages)
    (installed.packages / "cnn_anatomy" / "experiments" / "tiny.yaml").write_text(STUDY)
    before = files(installed.environment)

    printed = command("cnn-anatomy", *TINY)
    assert "test accuracy" in printed
    printed = command("cnn-anatomy", "--multirun", "pooling=max,avg", *TINY)
    assert "2 runs: 0 done before, 2 to train" in printed
    printed = command("python", "-m", "cnn_anatomy.train", "--multirun", "study=tiny")
    assert "tiny: outputs/results/tiny/README.md" in printed
    table = command.folder / "outputs" / "results" / "tiny" / "table.md"
    written = table.read_text()
    table.unlink()
    command("python", "-m", *make_table("tiny"))
    assert table.read_text() == written

    client = MlflowClient(f"sqlite:///{command.folder}/mlflow.db")
    experiments = client.search_experiments()
    assert {e.name for e in experiments} == {"Default", "adhoc", "tiny"}
    runs = client.search_runs([e.experiment_id for e in experiments], "tags.kind = 'run'")
    assert [run.info.status for run in runs] == ["FINISHED"] * 5
    assert len({run.data.tags["pid"] for run in runs}) > 2
    for run in runs:
        artifacts = Path(run.info.artifact_uri.removeprefix("file://"))
        assert artifacts.is_relative_to(command.folder)
        assert (artifacts / "config.yaml").is_file()
    created = {path.name.partition("db-")[0] for path in command.folder.iterdir()}
    assert created >= {"mlflow.db", "mlartifacts", ".cache", "outputs"}
    assert files(installed.environment) == before
    libraries = {path.relative_to(installed.home).parts[:2] for path in files(installed.home)}
    assert libraries <= {(".cache", "matplotlib")}
