"""docs/statistics.md: how often verdicts are right, by simulation."""

import re

import numpy as np
import pytest

from cnn_anatomy.results.statistics import independent_sum
from tools import replay, statistics


def percentages(table):
    """Return the numbers of each row's last cells, by the row's first cell and in order."""
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return [(row[0], [float(c[:-2]) for c in row if re.fullmatch(r"[\d.]+ %", c)]) for row in rows]


def test_seeds_needed_reach_their_power():
    noise = statistics.Noise("skip", "test/accuracy", 0.02, 0.02)
    row = statistics.seeds_needed([noise]).splitlines()[-1]
    assert row.startswith("| skip | test accuracy (%) | 2.0 | 2.0 |")
    random = np.random.default_rng(0)
    level = 0.05 / 2 / sum(1 / k for k in range(1, 51))  # half of 50 claims are decided
    for times, n in zip((2, 3, 5), map(int, row.strip("| ").split(" | ")[4:]), strict=True):
        for seeds, enough in ((n, True), (n - 1, False)):
            draws = random.normal([[0.02 * times], [0]], 0.02, (4000, 2, seeds))
            lows = [independent_sum(x, [1, -1]).interval(level).low for x in draws]
            share = np.mean(np.array(lows) >= 0.02)
            assert share >= 0.78 if enough else share < 0.82


def test_the_committed_tables_give_their_noise():
    found = list(statistics.noises())
    assert len({noise.study for noise in found}) >= 5
    assert all(noise.deviation > 0 and noise.matters > 0 for noise in found)


@pytest.mark.slow
def test_the_interval_covers_as_often_as_it_says():
    table = statistics.coverage()
    assert table in statistics.PAGE.read_text(encoding="utf-8")
    for values, shares in percentages(table):
        assert min(shares) >= (90 if values.startswith("skewed") else 94)
        assert max(shares) < 98


@pytest.mark.slow
def test_at_most_5_percent_of_the_decided_claims_are_wrong():
    table = statistics.false_verdicts()
    assert table in statistics.PAGE.read_text(encoding="utf-8")
    rows = percentages(table)
    assert all(wrong <= 5 for _, (_, wrong) in rows)
    assert rows[-1][1][0] >= 45  # of the claims with a mixture of effects, at 24 seeds


@pytest.mark.slow
def test_only_a_confidence_sequence_may_be_looked_at_often():
    table = statistics.looks()
    assert table in statistics.PAGE.read_text(encoding="utf-8")
    (_, (once, often)), (_, (_, sequence)) = percentages(table)
    assert once == pytest.approx(5, abs=1.5)
    assert often > 15
    assert sequence <= 5


@pytest.mark.slow
def test_seeds_until_decided_go_where_they_decide():
    table = statistics.seeds_spent()
    assert table in statistics.PAGE.read_text(encoding="utf-8")
    assert all(wrong <= 5 for _, (_, wrong) in percentages(table))


def test_pooled_intervals_hold_the_mean_of_the_settings():
    table = statistics.pooled_coverage()
    assert table in statistics.PAGE.read_text(encoding="utf-8")
    for _, (held,) in percentages(table):
        assert held >= 93


@pytest.mark.slow
def test_planted_effects_are_found_and_their_absence_is_not_supported():
    noise = [statistics.Noise("skip", "test/accuracy", 0.01, d) for d in (0.005, 0.01, 0.02)]
    rows = dict(percentages(statistics.planted(noise)))
    nothing, *_, large = rows.values()
    assert nothing[0] <= 1
    assert nothing[1] >= 30
    assert large[0] >= 90


def test_until_decided_spends_less_on_the_committed_runs_and_decides_them_alike():
    table = replay.replayed()
    assert table in statistics.PAGE.read_text(encoding="utf-8")
    rows = [[int(c) for c in line.strip("| ").split(" | ")[1:]] for line in table.splitlines()[2:]]
    for _, runs, _, spent, _, _, _ in rows:
        assert spent <= runs
    assert [row[5] for row in rows] == [row[6] for row in rows]
    assert rows[-1] == [sum(column) for column in zip(*rows[:-1], strict=True)]
    assert rows[-1][3] < 0.8 * rows[-1][1]
