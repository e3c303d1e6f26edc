"""Each variant of a study takes the value of a key that serves it best in validation."""

import csv
import json
import math
import re
from statistics import mean

import pandas as pd
import pytest
from helpers import SMALL, environment
from hypothesis import given
from hypothesis import strategies as st
from mlflow import MlflowClient
from processes import TRAIN, ended, start

from cnn_anatomy.results.tuning import ACCURACY, Tuning
from cnn_anatomy.studies.study import load_settings, load_study
from cnn_anatomy.sweep.tuning import tuning_lines

STUDY = """
question: Which pooling is better, each at its own learning rate?
reading: The higher, the better.
overrides: [pooling=max]
variants:
  narrow: [model.width=2]
  wide: [model.width=6]
seeds: 1
tune: {by: optimizer.lr, values: [0.0001, 0.2], seeds: 2}
table: {rows: [variant], metrics: [test/accuracy]}
"""
TINY = [word for word in SMALL if not word.startswith(("model.width", "trainer.max_epochs"))]
TINY.append("trainer.max_epochs=2")
CLAIM = (
    "claims: [{id: c1, statement: s, source: t, metric: test/accuracy, better: higher, "
    "treatment: {variant: wide}, control: {variant: narrow}, matters: 0.01}]\n"
)


def tuning(accuracies):
    """Return trials of accuracies by variant and value, a list of one for each seed."""
    return Tuning.of(
        {"variant": variant, "optimizer.lr": value, "seed": 10_000 + k, ACCURACY: accuracy}
        for variant, by_value in accuracies.items()
        for value, seeds in by_value.items()
        for k, accuracy in enumerate(seeds)
    )


def test_a_variant_takes_the_value_of_its_highest_mean_and_of_equal_ones_the_first():
    found = tuning(
        {
            "a": {"0.1": [0.5, 0.7], "0.2": [0.9, 0.1], "0.3": [0.2, 0.2]},
            "b": {"0.1": [0.2, 0.2], "0.2": [0.3, 0.5], "0.3": [0.5, 0.3]},
        }
    )
    assert found.chosen == {"a": "0.1", "b": "0.2"}
    assert found.at_an_end == ["a"]
    assert found.seeds == [10_000, 10_001]


def test_a_value_with_which_a_trial_diverged_is_not_taken():
    found = tuning({"a": {"0.3": [0.9, math.nan], "1": [0.2, 0.3]}, "b": {"0.3": [math.nan]}})
    assert found.chosen == {"a": "1"}
    assert "1 (0.3 diverged, 1 25.0%; at an end" in tuning_lines("s", found)
    assert "b: none (0.3 diverged)" in tuning_lines("s", found)


def test_options_and_unordered_numbers_have_the_ends_that_they_have():
    assert tuning({"a": {"sgd": [0.5], "adamw": [0.4]}}).at_an_end == []
    found = tuning({v: {"0.1": [v == "b"], "0.01": [v == "a"], "1": [0.5]} for v in "abc"})
    assert found.at_an_end == ["a", "c"]


share = st.floats(0, 1) | st.just(math.nan)


@given(st.dictionaries(st.sampled_from("abc"), st.lists(share, min_size=3, max_size=3), min_size=1))
def test_trials_read_from_their_file_and_from_json_are_the_same(tmp_path_factory, by_variant):
    found = tuning(
        {v: {"null": [x], "1e-3": [y], "a,b": [z]} for v, (x, y, z) in by_variant.items()}
    )
    file = tmp_path_factory.mktemp("tuning") / "tuning.csv"
    file.write_text(found.csv)
    for same in (Tuning.read(file), Tuning.of(json.loads(json.dumps(found.records)))):
        pd.testing.assert_frame_equal(same.trials, found.trials, check_exact=True)
        assert (same.key, same.chosen) == ("optimizer.lr", found.chosen)


def sweep(folder, uri, *words, status=0):
    command = (*TRAIN, "--multirun", "study=pools.yaml", *TINY, *words)
    return ended(start(folder, *command, env=environment(folder, uri)), status)


def runs_of(client, experiment):
    found = client.search_runs(
        [client.get_experiment_by_name(experiment).experiment_id], "tags.kind = 'run'"
    )
    return sorted(found, key=lambda run: run.info.start_time)


def test_a_sweep_trains_the_trials_first_and_then_each_variant_with_what_they_tell(tmp_path, uri):
    (tmp_path / "pools.yaml").write_text(STUDY)
    printed, _ = sweep(tmp_path, uri, "hydra.sweeper.plan=true")
    assert "pools/tuning" in printed
    assert "8 runs: 8 missing" in printed
    printed, _ = sweep(tmp_path, uri)
    client = MlflowClient(uri)
    trials, own = runs_of(client, "pools/tuning"), runs_of(client, "pools")
    assert (len(trials), len(own)) == (8, 2)
    assert max(t.info.end_time for t in trials) <= min(run.info.start_time for run in own)
    assert {t.data.params["seed"] for t in trials} == {"10000", "10001"}
    accuracies = {}
    for trial in trials:
        variant, _, value = trial.data.tags["variant"].rpartition(" lr=")
        by_value = accuracies.setdefault(variant, {})
        history = client.get_metric_history(trial.info.run_id, "val/accuracy")
        by_value.setdefault(value, []).append(max(point.value for point in history))
    for run in own:
        by_value = accuracies[run.data.tags["variant"]]
        assert run.data.params["optimizer.lr"] == max(by_value, key=lambda v: mean(by_value[v]))
        assert f"  {run.data.tags['variant']}: {run.data.params['optimizer.lr']} (" in printed
    with (tmp_path / "results" / "pools" / "tuning.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert {(r["variant"], r["optimizer.lr"], float(r["val/accuracy"])) for r in rows} == {
        (variant, value, accuracy)
        for variant, by_value in accuracies.items()
        for value, seeds in by_value.items()
        for accuracy in seeds
    }
    page = (tmp_path / "results" / "pools" / "README.md").read_text()
    assert "8 further runs (tuning.csv)" in page
    assert re.search(r"^\| variant \| optimizer.lr \|", page, re.MULTILINE)
    printed, _ = sweep(tmp_path, uri, "hydra.sweeper.seeds=2")  # the trials are done
    assert "4 runs: 2 done before, 2 to train" in printed
    assert len(runs_of(client, "pools/tuning")) == 8


def test_a_mistake_in_the_claims_is_refused_before_a_trial_is_trained(tmp_path, uri):
    (tmp_path / "pools.yaml").write_text(STUDY + CLAIM.replace("narrow", "small"))
    _, said = sweep(tmp_path, uri, status=2)
    assert said.startswith("pools: claims[c1].control picks no variant of the study")
    assert MlflowClient(uri).get_experiment_by_name("pools/tuning") is None


def test_a_diverged_trial_is_settled_and_claims_are_registered_before_the_trials(tmp_path, uri):
    text = STUDY.replace("0.2]", "1e30]").replace("seeds: 2", "seeds: 1")
    (tmp_path / "pools.yaml").write_text(text + CLAIM)
    printed, said = sweep(tmp_path, uri)
    assert "it diverged" in said
    assert "  wide: 0.0001 (0.0001 " in printed
    rows = (tmp_path / "results" / "pools" / "tuning.csv").read_text().splitlines()
    assert sum(row.endswith(",1e30,10000,") for row in rows) == 2
    (tmp_path / "pools.yaml").write_text(text + CLAIM.replace("0.01", "0.02"))
    printed, said = sweep(tmp_path, uri)
    assert "diverged" not in said
    page = (tmp_path / "results" / "pools" / "README.md").read_text()
    assert re.search("before the first run; since then: changed c1", page)
    (tmp_path / "pools.yaml").write_text(text.replace("0.0001", "1e29"))
    _, said = sweep(tmp_path, uri, status=2)
    assert "pools: trials of the variant narrow diverged with every optimizer.lr, 1e29" in said


@pytest.mark.parametrize(
    ("setting", "key"),
    [("{tune: {by: model.depth, values: [8, 14]}}", "model.depth"), ("{}", "a.b")],
)
def test_a_setting_is_tuned_by_its_own_key_or_the_study_s(tmp_path, setting, key):
    file = tmp_path / "mine.yaml"
    file.write_text(f"{STUDY.replace('optimizer.lr', 'a.b')}settings: {{first: {setting}}}\n")
    study = load_study(str(file))
    assert (study.tune.by, study.labels) == (key, ("variant", key))
    assert study.experiments == ("mine", "mine/tuning")


def test_a_setting_can_leave_its_study_s_tuning_out(tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_text(f"{STUDY}settings: {{first: {{}}, second: {{tune: null}}, third: {{}}}}\n")
    first, second, third = load_settings(str(file))
    assert second.tune is None
    assert third.tune == first.tune
    assert third.experiments == ("mine/third", "mine/third-tuning")
