"""Papers' files: every budget is a configuration that works, every value has its variant."""

import subprocess
import sys

import pandas as pd
import pytest
from helpers import composed, environment
from hydra import compose, initialize_config_dir

from cnn_anatomy.config.validation import check
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import REPOSITORY
from cnn_anatomy.report import render
from cnn_anatomy.report.paper_table import build_paper_table, check_paper
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.paper import Paper, load, names, select
from cnn_anatomy.studies.study import Table

BUDGETS = ("smoke", "short", "paper")
PRINTED = {"he2015", "he2016", "lin2013", "springenberg2014", "szegedy2014", "zhang2019", "lee2015"}


@pytest.mark.parametrize("name", names())
def test_every_budget_is_configured_rightly(name, tmp_path):
    for budget in BUDGETS:
        paper = load(name, budget)
        check_paper(paper)
        for column in paper.metrics:
            metric(column)
        folder = {"data=imagefolder": ["data.source.root=/"]}
        # A budget's settings are the same for all variants: these are checked once, at `smoke`.
        for run in paper.runs([0])[: None if budget == "smoke" else 1]:
            more = [word for o in run.overrides for word in folder.get(o, [])]
            with initialize_config_dir(str(REPOSITORY / "conf"), version_base="1.3"):
                config = compose("train", [*run.overrides, *more], return_hydra_config=True)
            choices = dict(config.hydra.runtime.choices)
            if more:  # no such folder of images is here: the rest of it is checked
                config.data = composed("data=digits").data
            check(config, choices)


def test_the_papers_are_those_of_the_field():
    assert set(names()) == PRINTED | {"yosinski2014"}
    for name in PRINTED:
        assert load(name, "paper").published


def test_a_mistake_names_the_choices():
    with pytest.raises(ConfigError, match=r"PAPER=he2105 is none of he2015.*did you mean he2015"):
        load("he2105", "smoke")
    with pytest.raises(ConfigError, match=r"BUDGET=smoky is none of smoke, short, paper \(did"):
        load("he2015", "smoky")


def test_other_data_stand_in_for_the_papers():
    (own,) = select("he2015", "short", data=False)
    (other,) = select("he2015", "short", data=True)
    assert "data=cifar10" in own.runs([0])[0].overrides
    assert not any(o.startswith("data=") for o in other.runs([0])[0].overrides)
    assert own.runs([0])[0].overrides[-1] == "trainer.max_epochs=5"
    assert list(own.variants) == ["Plain-20", "Plain-56", "ResNet-20", "ResNet-56"]


def test_the_published_value_stands_beside_ours():
    paper = Paper(
        *("p", "A paper", "", Table(("variant",), ("macs",))),
        variants={"deep": (), "flat": ()},
        published={"error": {"deep": 8.75}},
        approximate=frozenset({"deep"}),
    )
    rows = [
        {
            "variant": variant,
            "seed": seed,
            "overrides": [],
            "status": "FINISHED",
            "metrics.test/accuracy": accuracy,
            "metrics.macs": 1e6,
        }
        for variant, accuracies in (("deep", (0.90, 0.92)), ("flat", (0.5, 0.5)))
        for seed, accuracy in enumerate(accuracies)
    ]
    table = build_paper_table(paper, Sweep("p", "", pd.DataFrame(rows)))
    assert render.to_markdown(table).splitlines()[2:] == [
        "| deep | ≈ 8.75 | 9.00 ± 12.71 | +0.25 ± 12.71 | 1.00 | 2 |",
        "| flat | – | 50.00 ± 0.00 | – | 1.00 | 2 |",
    ]
    assert "≈ read off a figure" in table.note


def reproduce(folder, *words):
    own = environment(folder, https_proxy="http://127.0.0.1:9")  # nothing listens there
    call = [sys.executable, "-m", "cnn_anatomy.train", "--multirun", *words]
    return subprocess.run(call, cwd=folder, env=own, capture_output=True, text=True, check=False)


def test_data_that_cannot_be_had_are_told_before_anything_is_trained(tmp_path):
    words = ["study=he2015", "hydra.sweeper.budget=short", f"paths.cache={tmp_path}/cache"]
    done = reproduce(tmp_path, *words)
    assert done.returncode == 2
    (line,) = (x for x in done.stderr.splitlines() if x.startswith("data: "))
    assert "cannot be downloaded" in line
    assert "data=imagefolder data.source.root=FOLDER" in line
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", names())
def test_smoke(name, tmp_path):
    # A changed setting keeps the page out of the committed results.
    done = reproduce(tmp_path, f"study={name}", "hydra.sweeper.budget=smoke", "++threads=1")
    assert done.returncode == 0, done.stderr
    page = REPOSITORY / "outputs" / "results" / "papers" / name / "smoke" / "README.md"
    text = page.read_text()
    paper = load(name, "smoke")
    for variant in paper.variants:
        assert f"| {variant} |" in text
    assert "The columns come from different experiments" in text
    assert f"make reproduce PAPER={name} BUDGET=smoke" in text
