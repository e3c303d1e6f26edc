"""The dry run of a sweep."""

from itertools import pairwise

import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from cnn_anatomy.results.runs import REQUIRED_METRICS
from cnn_anatomy.studies.planned_run import PlannedRun
from cnn_anatomy.sweep.jobs import Job
from cnn_anatomy.sweep.status import abbreviate, job_statuses, print_statuses

METRICS = {"params/total": 100.0, "macs": 1e6, **dict.fromkeys(REQUIRED_METRICS, 0.5)}


def run(key, status, variant="a", seed=0, seconds=10.0, whole=True):
    metrics = {"params/total": 100.0, "macs": 1e6, **(METRICS if whole else {})}
    return {
        "status": status,
        "start_time": 0,
        "end_time": seconds * 1000,
        "tags.key": key,
        "tags.variant": variant,
        "params.seed": str(seed),
        **{f"metrics.{k}": v for k, v in metrics.items() if status == "FINISHED"},
    }


def test_states_and_costs(capsys):
    runs = [
        run("k0", "KILLED"),
        run("k4", "FINISHED", seed=4, whole=False),
        run("k0", "FINISHED", seed=0),
        run("k1", "RUNNING", seed=1),
        run("k2", "FAILED", seed=2),
        run("other code", "FINISHED", seed=3, seconds=20),
    ]
    jobs = [Job(PlannedRun("s", "a", seed, ()), f"k{seed}") for seed in range(5)]
    jobs.append(Job(PlannedRun("s", "b", 0, ()), "k9"))
    statuses = job_statuses(jobs, {"s": pd.DataFrame(runs), "t": pd.DataFrame()})
    states = ["done", "running", "failed", "stale", "failed", "missing"]
    assert [s.state for s in statuses] == states
    (stopped,) = job_statuses(jobs[:1], {"s": pd.DataFrame(runs[:1])})
    assert stopped.state == "interrupted"
    assert [s.seconds for s in statuses] == [15.0] * 5 + [None]
    assert statuses[4].params == 100
    print_statuses(statuses, workers=2)
    printed = capsys.readouterr().out
    (failed,) = (line.split("│")[1:-1] for line in printed.splitlines() if "│ failed" in line)
    cells = [cell.strip() for cell in failed]
    assert cells == ["s", "a", "failed", "2, 4", "100", "1,000,000", "15"]
    assert "6 runs: 2 failed, 1 done, 1 running, 1 stale, 1 missing" in printed
    assert "4 to train, about 0 min with 2 workers, 1 of them guessed from the others" in printed


def test_costs_are_those_of_like_runs_that_were_never_interrupted():
    small = {**run("k0", "FINISHED"), "params.model.depth": "8"}
    resumed = {**run("k1", "FINISHED", seed=1, seconds=9999), "params.model.depth": "8"}
    resumed |= {"tags.resumed": "1"}
    runs = {"s": pd.DataFrame([small, resumed])}
    jobs = [Job(PlannedRun("s", "a", 0, (f"model.depth={d}",)), "new") for d in (8, 56)]
    statuses = job_statuses(jobs, runs)
    assert [s.state for s in statuses] == ["stale", "missing"]
    assert [(s.params, s.seconds) for s in statuses] == [(100, 10), (None, None)]


def test_runs_that_have_logged_nothing_yet():
    begun = {"status": "RUNNING", "start_time": 0, "end_time": None}
    begun |= {"tags.key": "k0", "tags.variant": "a"}
    jobs = [Job(PlannedRun("s", "a", seed, ()), f"k{seed}") for seed in range(2)]
    statuses = job_statuses(jobs, {"s": pd.DataFrame([begun])})
    assert [s.state for s in statuses] == ["running", "missing"]
    assert [s.seconds for s in statuses] == [None, None]


@given(st.lists(st.integers(0, 40)))
def test_short_lists_of_seeds_name_each_once(seeds):
    parts = [part.split("–") for part in abbreviate(seeds).split(", ") if part]
    named = [n for part in parts for n in range(int(part[0]), int(part[-1]) + 1)]
    assert named == sorted(set(seeds))
    assert all(int(later[0]) > int(part[-1]) + 1 for part, later in pairwise(parts))
