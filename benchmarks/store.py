"""The command: python -m benchmarks.store [RUNS …] times reading many runs from a store.

One short run of each of the eight variants of the study `skip` is trained. The others are copies of
its rows in SQLite with the keys of other seeds, since writing them through MLflow would take a
quarter of an hour. They share the original's artifacts.
"""

from __future__ import annotations

import sqlite3
import sys
import tempfile
import time
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from mlflow import MlflowClient

from benchmarks.cases import composed
from benchmarks.processes import TRAIN, call, runs_of, seconds, store_of
from cnn_anatomy.config.run_key import run_keys
from cnn_anatomy.core.hardware import description
from cnn_anatomy.core.paths import PUBLISHED
from cnn_anatomy.report.markdown import markdown_table
from cnn_anatomy.studies.study import load_study
from cnn_anatomy.tracking.store import prepare
from cnn_anatomy.tracking.sweep_run import start_parent

SHORT = (
    *("data.source.train=96", "data.source.val=50", "data.source.test=50"),
    "trainer.max_epochs=1",
)
READ = (
    "from mlflow import MlflowClient\n"
    "from cnn_anatomy.report.render import print_table\n"
    "from cnn_anatomy.results.runs import read_sweep\n"
    "from cnn_anatomy.report.table import build_study_table\n"
    "from cnn_anatomy.studies.study import load_study\n"
    "from cnn_anatomy.core.paths import tracking_uri\n"
    "study = load_study('skip')\n"
    "print_table(build_study_table(study, read_sweep(MlflowClient(tracking_uri()), 'skip')))\n"
)


def main() -> None:
    """Build stores of the given sizes, time table and plan, and write the figures to store.md."""
    counts = [int(word) for word in sys.argv[1:]] or [1000, 10000]
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        originals = _train(folder)
        rows = []
        for count in counts:
            started_at = time.time()
            _grow(folder, originals, count // len(originals))
            rows.append(
                (count, time.time() - started_at, *_timings(folder, count // len(originals)))
            )
        imports = seconds([sys.executable, "-c", "import mlflow"], folder)
    heads = ("runs", "to copy them", "table, first", "table, again", "plan, first", "plan, again")
    title = f"`make bench-store`: {description()}. Seconds of the whole command, imports included "
    lines = [f"{title}({imports:.1f} s for MLflow's alone).", ""]
    cells = [[str(n), *(f"{v:.1f}" for v in timings)] for n, *timings in rows]
    text = "\n".join([*lines, markdown_table(heads, cells, left=1)])
    (PUBLISHED / "bench").mkdir(parents=True, exist_ok=True)
    (PUBLISHED / "bench" / "store.md").write_text(text, encoding="utf-8")
    print(text)


def _train(folder: Path) -> list[str]:
    """Train seed 0 of every variant; return their run ids in the plan's order."""
    call([*TRAIN, "--multirun", "study=skip", "seed=0", *SHORT], folder)
    run_ids = {run.data.tags["variant"]: run.info.run_id for run in runs_of(folder, "skip")}
    return [run_ids[run.variant] for run in load_study("skip").runs([0])]


def _grow(folder: Path, originals: Sequence[str], seeds: int) -> None:
    """Add copies until there are `seeds` runs of each original, and a sweep that planned them."""
    planned = load_study("skip").runs(range(seeds))
    keys = _keys(seeds)
    of_variant = dict(
        zip([run.variant for run in load_study("skip").runs([0])], originals, strict=True)
    )
    plan = [{**run._asdict(), "key": keys[run.variant][run.seed]} for run in planned]
    client = MlflowClient(store_of(folder))
    start_parent(client, prepare(store_of(folder), "skip"), "skip", plan, preset=True)
    present = {run.data.tags["key"] for run in runs_of(folder, "skip")}
    generator = np.random.default_rng(0)
    with sqlite3.connect(folder / "mlflow.db") as database:
        for entry in plan:
            if entry["key"] not in present:
                _copy(database, of_variant[entry["variant"]], entry, generator.normal(0, 0.02))


def _keys(seeds: int) -> dict[str, list[str]]:
    return {
        run.variant: run_keys(composed(*run.overrides, *SHORT), range(seeds))
        for run in load_study("skip").runs([0])
    }


def _copy(database: sqlite3.Connection, run: str, entry: dict[str, object], noise: float) -> None:
    """Copy a run under a new id, one hour older, with `noise` added to its accuracies."""
    new, hour = uuid.uuid4().hex, 3_600_000  # milliseconds
    for rows in ("runs", "params", "tags", "metrics", "latest_metrics"):
        names = [row[1] for row in database.execute(f"PRAGMA table_info({rows})")]
        chosen = {name: name for name in names} | {"run_uuid": f"'{new}'"}
        if rows == "runs":
            chosen |= {t: f"{t} - {hour}" for t in ("start_time", "end_time")}
        if rows in ("metrics", "latest_metrics"):
            chosen["value"] = f"value + {noise} * (key LIKE '%/accuracy')"
        database.execute(
            f"INSERT INTO {rows} ({', '.join(names)}) "
            f"SELECT {', '.join(chosen.values())} FROM {rows} WHERE run_uuid = ?",
            (run,),
        )
    for rows, name, value in (
        ("tags", "key", entry["key"]),
        ("params", "seed", entry["seed"]),
    ):
        database.execute(
            f"UPDATE {rows} SET value = ? WHERE run_uuid = ? AND key = ?", (str(value), new, name)
        )


def _timings(folder: Path, seeds: int) -> list[float]:
    plan = [*TRAIN, "--multirun", "study=skip", f"hydra.sweeper.seeds={seeds}"]
    plan += ["hydra.sweeper.plan=true", *SHORT]
    table_of = [sys.executable, "-c", READ]
    for file in (folder / "cache" / "runs").glob("*"):
        file.unlink()
    timings = [seconds(command, folder) for command in (table_of, table_of, plan)]
    started_at = time.time()
    output = call(plan, folder)
    timings.append(time.time() - started_at)
    if f"{8 * seeds} runs: {8 * seeds} done" not in output:
        raise RuntimeError(f"the plan does not recognise its runs: {output[-300:]}")
    return timings


if __name__ == "__main__":
    main()
