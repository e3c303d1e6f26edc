"""Variants of a study are made as wide as it takes to cost the same."""

import re

import pytest
from helpers import SMALL, environment
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from processes import TRAIN, ended, start

from cnn_anatomy.sweep.matching import solved

STUDY = """
question: Which convolution is better at equal multiply-adds?
reading: The higher, the better.
overrides: [model.depth=8, model.width=64]
variants:
  full: []
  separable: [conv=separable]
  grouped: [conv=grouped, conv.groups=4]
  max: [pooling=max]
seeds: 1
match: {cost: COST, to: full}
table: {rows: [variant], metrics: [test/accuracy, macs, params/total]}
"""
TINY = [word for word in SMALL if not word.startswith("model")]


@given(
    st.integers(1, 200),
    st.integers(0, 50),
    st.integers(0, 9),
    st.integers(1, 8),
    st.integers(1, 40),
    st.integers(100, 3_000_000),
)
def test_the_nearest_of_all_widths_is_found(square, linear, constant, groups, first, target):
    def cost(width):
        growing = square * width * width + linear * width + constant
        return None if width % groups else growing

    width, found = solved(cost, first * groups, target)
    assert found == cost(width)
    best = min(abs(cost(w) - target) for w in range(groups, 2000, groups))
    assert abs(found - target) == best


def sweep(folder, uri, text, *words, status=0):
    (folder / "equal.yaml").write_text(text)
    command = (*TRAIN, "--multirun", "study=equal.yaml", *words)
    return ended(start(folder, *command, env=environment(folder, uri)), status)


def plan(*arguments, status=0):
    return sweep(*arguments, "hydra.sweeper.plan=true", status=status)


def number(text):
    return int(text.replace(",", ""))


@pytest.mark.parametrize("cost", ["macs", "parameters"])
def test_the_costs_of_a_study_are_within_two_percent(tmp_path, uri, cost):
    printed, _ = plan(tmp_path, uri, STUDY.replace("COST", cost), *TINY)
    (target,) = re.findall(rf"equal: {cost} as of full, ([\d,]+)", printed)
    rows = re.findall(r"^  (\w+): model.width=(\d+), ([\d,]+) \(", printed, re.MULTILINE)
    widths = {variant: int(width) for variant, width, _ in rows}
    assert list(widths) == ["separable", "grouped", "max"]
    assert widths["separable"] > widths["grouped"] > 64
    assert widths["grouped"] % 4 == 0
    for variant, _, found in rows:
        assert abs(number(found) / number(target) - 1) <= 0.02, variant
    assert "4 runs: 4 missing" in printed


@pytest.mark.slow
def test_runs_and_the_table_have_the_widths_and_equal_costs(tmp_path, uri):
    printed, _ = sweep(tmp_path, uri, STUDY.replace("COST", "macs"), *TINY)
    planned = dict(re.findall(r"^  (\w+): model.width=(\d+)", printed, re.MULTILINE))
    client = MlflowClient(uri)
    experiment = client.get_experiment_by_name("equal").experiment_id
    found = client.search_runs([experiment], "tags.kind = 'run'")
    assert {r.data.tags["variant"]: r.data.params["model.width"] for r in found} == {
        "full": "64",
        **planned,
    }
    macs = [r.data.metrics["macs"] for r in found]
    assert max(macs) / min(macs) < 1.04
    table = (tmp_path / "results" / "equal" / "table.md").read_text()
    assert table.startswith("| variant | model.width |")
    printed, _ = sweep(tmp_path, uri, STUDY.replace("COST", "macs"), *TINY)
    assert "4 runs: all done before" in printed


def refused(folder, uri, text, *words):
    return plan(folder, uri, text, *words, status=2)[1].strip().splitlines()[-1]


def test_what_can_not_be_matched_is_refused(tmp_path, uri):
    text = STUDY.replace("COST", "macs")
    coarse = text.replace("model.width=64", "model.width=4").replace(
        "pooling=max", "model.depth=20"
    )
    coarse = coarse.replace(
        "  separable: [conv=separable]\n  grouped: [conv=grouped, conv.groups=4]\n", ""
    )
    assert re.search(
        r"macs of the variant max can't be matched to [\d,]+ within 2%: the nearest are "
        r"[\d,]+ with model.width=\d+",
        refused(tmp_path, uri, coarse, *TINY),
    )
    other = text.replace("[pooling=max]", "[network=uva_densenet]")
    assert "no whole number model.width" in refused(
        tmp_path, uri, other.replace("overrides: [model.depth=8, model.width=64]", ""), *TINY
    )
