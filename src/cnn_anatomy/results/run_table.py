"""The runs of a sweep as a CSV file, from which all its numbers can be computed again."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.results.tuning import TUNING, Tuning
from cnn_anatomy.studies.registration import Registration

RUN_TABLE = "runs.csv"
REGISTRATION = "registration.json"  # beside it, if the study's claims were registered
UNTIL_DECIDED = "until_decided"  # a column of one value, True or False
COLUMNS = ("variant", "seed", "status", "run_id", "key", "commit", "tags.hardware", "overrides")

# Slashes at the end of a path, and the folders before its last name.
LAST_SLASHES = re.compile(r"(?<=[^=/\[,{:\"'\s~])/+(?=[\"',\]}]|$)")
FOLDERS = re.compile(r"(?:(?<=[=\[,{\"'\s])|(?<=:)(?<!runs:))~?/(?:[^/\"',\]}]+/+)*(?=[^/\"',\]}])")


def to_run_table(sweep: Sweep) -> str:
    """Return a row for each planned run, with all its params and final metrics to the last bit."""
    names = map(str, sweep.runs.columns)
    results = sorted(n for n in names if n.startswith(("params.", "metrics.")))
    runs = sweep.runs.reindex(columns=[*COLUMNS, *results])
    overrides = [json.dumps(without_folders(w), ensure_ascii=False) for w in runs.overrides]
    runs = runs.assign(overrides=overrides, **{UNTIL_DECIDED: sweep.until_decided})
    return runs.to_csv(index=False, lineterminator="\n")


def read_run_table(file: Path, study: str) -> Sweep:
    """Read what `to_run_table` returned, as the sweep of a store that isn't there.

    Claims that were registered, and how variants were tuned, are read from files beside it.

    Empty cells are params, tags and metrics that a run does not have.
    """
    text = pd.read_csv(file, dtype=str, keep_default_na=False)
    read = {
        "seed": lambda column: column.map(int),
        "overrides": lambda column: column.map(json.loads),
    }
    columns = {}
    for name in map(str, text.columns):
        column = text[name]
        if name.startswith("metrics."):
            columns[name] = column.replace("", "nan").map(float)
        elif name.startswith(("params.", "tags.")):
            columns[name] = column.where(column != "")
        else:
            columns[name] = read.get(name, lambda column: column)(column)
    until_decided = bool((columns.pop(UNTIL_DECIDED) == "True").all())
    tuning = Tuning.read(file.with_name(TUNING)) if file.with_name(TUNING).is_file() else None
    runs = pd.DataFrame(columns)
    return Sweep(study, "", runs, until_decided, _registration(file.parent), tuning)


def without_folders(words: Sequence[str]) -> list[str]:
    """Return overrides that name files and folders by their last name: the rest is a machine's."""
    return [FOLDERS.sub("", LAST_SLASHES.sub("", word)) for word in words]


def _registration(folder: Path) -> Registration | None:
    file = folder / REGISTRATION
    if not file.is_file():
        return None
    return Registration.model_validate_json(file.read_text(encoding="utf-8"))
