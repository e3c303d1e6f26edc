"""Papers' files: every budget is a configuration that works, every value has its variant."""

import subprocess
import sys

import pandas as pd
import pytest
from helpers import composed, environment
from hydra import compose, initialize_config_dir

from cnn_anatomy.config.validation import check_config
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import CONF, OUTPUTS
from cnn_anatomy.report import render
from cnn_anatomy.report.paper_table import build_paper_table, check_paper
from cnn_anatomy.results.metrics import metric
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.paper import Paper, load_paper, paper_names, select_papers
from cnn_anatomy.studies.study import Table

BUDGETS = ("smoke", "short", "paper")


@pytest.mark.parametrize("name", paper_names())
def test_every_budget_is_a_configuration_that_works(name, tmp_path):
    for budget in BUDGETS:
        paper = load_paper(name, budget)
        check_paper(paper)
        for column in paper.metrics:
            metric(column)
        folder = {"data=imagefolder": ["data.source.root=/"]}
        # A budget's settings are the same for all variants: these are checked once, at `smoke`.
        for run in paper.runs([0])[: None if budget == "smoke" else 1]:
            more = [word for o in run.overrides for word in folder.get(o, [])]
            with initialize_config_dir(str(CONF), version_base="1.3"):
                config = compose("train", [*run.overrides, *more], return_hydra_config=True)
            choices = dict(config.hydra.runtime.choices)
            if more:  # no such folder of images is here: the rest of it is checked
                config.data = composed("data=digits").data
            check_config(config, choices)


@pytest.mark.parametrize(
    ("name", "measure", "worst_to_best"),
    [
        # Deeper plain networks are worse, deeper residual networks better.
        ("he2015", "error", ["Plain-56", "Plain-44", "Plain-32", "Plain-20", "ResNet-20"]),
        ("he2015", "error", [f"ResNet-{depth}" for depth in (20, 32, 44, 56, 110)]),
        # Nothing on the shortcut is as good as the identity; full pre-activation is the best order.
        ("he2016", "error", ["dropout 0.5", "shortcut-only gate, b=0", "scaling 0.5"]),
        ("he2016", "error", ["scaling 0.5", "1×1 convolution", "exclusive gate, b=−7"]),
        ("he2016", "error", ["exclusive gate, b=−7", "exclusive gate, b=−6", "identity"]),
        ("he2016", "error", ["shortcut-only gate, b=−6", "identity", "full pre-activation"]),
        ("he2016", "error", ["BN after addition", "ReLU before addition", "identity"]),
        ("he2016", "error", ["ReLU-only pre-activation", "identity", "full pre-activation"]),
        ("lee2015", "accuracy", ["average", "stochastic", "max", "gated", "max + average (mixed)"]),
        (
            "lin2013",
            "error",
            ["fully connected", "fully connected, dropout", "global average pooling"],
        ),
        # A strided convolution in place of pooling is worse; a convolution more instead, better.
        *(
            ("springenberg2014", "error", [f"{base} strided", f"{base} base", f"{base} all-conv"])
            for base in "ABC"
        ),
        ("springenberg2014", "error", ["A all-conv", "B all-conv", "C all-conv"]),
        # The larger the blur, the more consistent; all of them raise accuracy.
        *(
            (
                "zhang2019",
                "consistency",
                [net, *(f"{net}, {b}" for b in ("Rect-2", "Tri-3", "Bin-5"))],
            )
            for net in ("ResNet18", "VGG16-bn")
        ),
        ("zhang2019", "accuracy", ["ResNet18", "ResNet18, Bin-5", "ResNet18, Tri-3"]),
        ("zhang2019", "accuracy", ["VGG16-bn", "VGG16-bn, Tri-3", "VGG16-bn, Bin-5"]),
    ],
)
def test_the_published_values_are_in_the_order_that_the_paper_reports(name, measure, worst_to_best):
    values = [load_paper(name, "paper").published[measure][v] for v in worst_to_best]
    assert values == sorted(values, reverse=measure == "error")
    assert len(set(values)) == len(values)
    assert all(0 < value < 100 for value in values)  # in percent


def test_a_mistake_names_the_choices():
    with pytest.raises(ConfigError, match=r"PAPER=he2105 is none of he2015.*did you mean he2015"):
        load_paper("he2105", "smoke")
    with pytest.raises(
        ConfigError, match=r"BUDGET=smoky is none of smoke, short, eighth, paper \(did"
    ):
        load_paper("he2015", "smoky")


def test_other_data_stand_in_for_the_papers():
    (paper,) = select_papers("he2015", "short", data_replaced=False)
    (other,) = select_papers("he2015", "short", data_replaced=True)
    assert "data=cifar10" in paper.runs([0])[0].overrides
    assert not any(o.startswith("data=") for o in other.runs([0])[0].overrides)
    assert paper.runs([0])[0].overrides[-1] == "trainer.max_epochs=5"
    assert list(paper.variants) == ["Plain-20", "Plain-56", "ResNet-20", "ResNet-56"]


def test_the_published_value_stands_beside_ours():
    paper = Paper(
        name="p",
        question="A paper",
        reading="",
        table=Table(rows=("variant",), metrics=("macs",)),
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


def test_data_that_cannot_be_downloaded_are_refused_before_training(tmp_path):
    words = ["study=he2015", "hydra.sweeper.budget=short", f"paths.cache={tmp_path}/cache"]
    done = reproduce(tmp_path, *words)
    assert done.returncode == 2
    (line,) = (x for x in done.stderr.splitlines() if x.startswith("data: "))
    assert "cannot be downloaded" in line
    assert "data=imagefolder data.source.root=FOLDER" in line
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "mlflow.db").exists()


@pytest.mark.slow
@pytest.mark.parametrize("name", paper_names())
def test_smoke(name, tmp_path):
    # A changed setting keeps the page out of the committed results.
    done = reproduce(tmp_path, f"study={name}", "hydra.sweeper.budget=smoke", "++threads=1")
    assert done.returncode == 0, done.stderr
    page = OUTPUTS / "results" / "papers" / name / "smoke" / "README.md"
    text = page.read_text()
    paper = load_paper(name, "smoke")
    for variant in paper.variants:
        assert f"| {variant} |" in text
    # A paper that has only curves has no column beside ours.
    assert ("The columns come from different experiments" in text) == bool(paper.published)
    assert f"make reproduce PAPER={name} BUDGET=smoke" in text
