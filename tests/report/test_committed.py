"""A sweep leaves the committed results alone; publishing and judging again need no store."""

import shutil
import sys

import pytest
from checkouts import command, commit, copied, git
from helpers import REPOSITORY, SMALL
from processes import TRAIN

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.report.committed import publish_results, rewrite_results
from cnn_anatomy.results.run_table import read_run_table

REPORT = (sys.executable, "-m", "cnn_anatomy.report")
STUDY = f"""question: Which pooling?
reading: The higher, the better.
overrides: [model.depth=8, {", ".join(SMALL)}]
grid: {{pooling: [max, none]}}
seeds: 2
table: {{rows: [pooling], metrics: [test/accuracy, macs]}}
figures: [accuracy, cost]
claims:
  - id: x1
    statement: Max pooling saves compute.
    source: someone
    metric: macs
    better: lower
    treatment: {{pooling: max}}
    control: {{pooling: none}}
    matters: 1
"""


@pytest.fixture
def checkout(tmp_path):
    """Return a committed copy of this checkout with one more, tiny study."""
    copied(tmp_path / "checkout", STUDY)
    return tmp_path / "checkout"


@pytest.mark.slow
@pytest.mark.every_part
def test_only_publishing_changes_the_committed_results(checkout):
    results = checkout / "experiments" / "results"
    sweep = (*TRAIN, "--multirun", "study=tiny")
    command(checkout, *sweep)
    assert git(checkout, "status", "--porcelain") == ""

    (checkout.parent / "mlflow.db").rename(checkout.parent / "gone.db")  # nor a store is needed
    printed, _ = command(checkout, *REPORT, "publish", "tiny")
    assert " claims" in printed
    changed = {line[3:] for line in git(checkout, "status", "--porcelain").splitlines()}
    assert "experiments/results/tiny/" in changed
    assert {p.name for p in (results / "tiny").iterdir()} == {
        *(
            "README.md",
            "runs.csv",
            "figures.json",
            "registration.json",
            "histories.parquet",
            "accuracy.png",
            "accuracy.svg",
        ),
        *("cost.png", "cost.svg", "table.md", "table.tex", "table.csv", "table.html"),
    }
    (row,) = [x for x in (results / "README.md").read_text().splitlines() if "[x1]" in x]
    assert row.replace("[x1](tiny/README.md)", "x1") in (results / "tiny/README.md").read_text()
    assert row.endswith("| **supported** |")

    commit(checkout)
    (checkout.parent / "gone.db").rename(checkout.parent / "mlflow.db")
    again, _ = command(checkout, *sweep)
    assert (
        "replication: 4 of 4 means lie in the committed runs' 95 % prediction interval; "
        "1 of 1 verdicts agree"
    ) in again
    (checkout.parent / "mlflow.db").rename(checkout.parent / "gone.db")
    command(checkout, *REPORT, "verdicts")
    assert git(checkout, "status", "--porcelain") == ""  # every number is computed again
    assert not (checkout.parent / "mlflow.db").exists()

    (checkout.parent / "gone.db").rename(checkout.parent / "mlflow.db")
    command(checkout, *sweep, "model.width=5")
    _, errors = command(checkout, *REPORT, "publish", status=2)
    assert errors == (
        "the sweep in tiny has other seeds or settings than experiments/tiny.yaml now has\n"
    )
    assert git(checkout, "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_further_setting_lies_beside_the_first(tmp_path):
    settings = "settings: {plain: {}, wide: {overrides: [model.width=8]}}\n"
    checkout = tmp_path / "checkout"
    copied(checkout, STUDY + settings)
    results = checkout / "experiments" / "results" / "tiny"
    sweep = (*TRAIN, "--multirun", "study=tiny", "hydra.sweeper.seeds=2")
    printed, _ = command(checkout, *sweep, "hydra.sweeper.setting=all")
    assert "outputs/results/tiny/README.md" in printed
    assert "outputs/results/tiny/wide/README.md" in printed
    again, _ = command(checkout, *sweep, "hydra.sweeper.setting=wide")
    assert "4 runs: 4 done before, 0 to train" in again
    again, _ = command(checkout, *sweep, "hydra.sweeper.setting=wide")
    assert "4 runs: all done before, and written" in again

    command(checkout, *REPORT, "publish", "tiny")
    assert not (results / "wide").exists()
    command(checkout, *REPORT, "publish", "tiny", "--setting", "wide")
    plain = read_run_table(results / "runs.csv", "tiny").runs
    wide = read_run_table(results / "wide" / "runs.csv", "tiny/wide").runs
    assert list(wide.variant) == list(plain.variant)
    assert set(wide["params.setting"]) == {"wide"}
    assert (wide["metrics.macs"] > plain["metrics.macs"]).all()
    assert not set(wide.key) & set(plain.key)
    page = (results / "wide" / "README.md").read_text()
    assert "Setting wide: model.width=8." in page
    assert "make sweep STUDY=tiny SETTING=wide" in page

    command(checkout, *REPORT, "publish", "tiny")  # leaves the other setting alone
    assert (results / "wide" / "runs.csv").is_file()
    commit(checkout)
    command(checkout, *REPORT, "verdicts")
    assert git(checkout, "status", "--porcelain") == ""


def test_what_cannot_be_published_is_refused(tmp_path):
    with pytest.raises(ConfigError, match=r"skp is none of the studies and papers .* mean skip"):
        publish_results(["skp"], tmp_path, tmp_path / "published")
    with pytest.raises(ConfigError, match="no sweep of skip to publish: make sweep STUDY=skip"):
        publish_results(["skip"], tmp_path, tmp_path / "published")
    with pytest.raises(ConfigError, match="of skip/photos to publish: make sweep STUDY=skip SETTI"):
        publish_results(["skip"], tmp_path, tmp_path / "published", "photos")
    with pytest.raises(ConfigError, match="SETTING=photos is of a study: give STUDY=, too"):
        publish_results([], tmp_path, tmp_path / "published", "photos")
    with pytest.raises(ConfigError, match="holds no sweep to publish"):
        publish_results([], tmp_path, tmp_path / "published")
    assert not (tmp_path / "published").exists()


def test_the_committed_numbers_follow_from_the_committed_runs(tmp_path):
    committed = REPOSITORY / "experiments" / "results"
    copy = shutil.copytree(committed, tmp_path / "results")
    rewrite_results(copy)
    for file in sorted(copy.rglob("*")):
        if file.suffix in {".md", ".csv", ".tex", ".html", ".json"}:
            same = (committed / file.relative_to(copy)).read_text(encoding="utf-8")
            assert file.read_text(encoding="utf-8") == same, "make verdicts writes it anew"
