"""The runs of an experiment as a data frame; finished runs never change, so they are cached."""

from __future__ import annotations

import gc
import hashlib
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from cnn_anatomy.core.atomic import atomic_write
from cnn_anatomy.core.notices import notice
from cnn_anatomy.core.paths import cache
from cnn_anatomy.core.uris import local_path

PAGE_SIZE = 1000
COLUMNS = ["run_id", "status", "start_time", "end_time", "lifecycle", "artifact_uri"]
FORMAT_VERSION = 2  # of the cached files
CLOCK_SKEW_MS = 300_000  # by which the clock of a training machine may be behind this one's


def training_runs(
    client: MlflowClient, experiment: str, query: str = "", view: int = ViewType.ACTIVE_ONLY
) -> Iterator[Run]:
    """Yield the experiment's training runs that match `query`, the latest first."""
    query = "tags.kind = 'run'" + (f" and {query}" if query else "")
    token = None
    while True:
        with _paused_garbage_collection():
            page = client.search_runs(
                [experiment], query, run_view_type=view, max_results=PAGE_SIZE, page_token=token
            )
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def _paused_garbage_collection() -> Iterator[None]:
    """Pause Python's garbage collector, which doubles the time MLflow takes to build a page.

    It scans everything imported again and again, although nothing of a page is garbage yet.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def read_runs(client: MlflowClient, experiment: str) -> pd.DataFrame:
    """Return every training run of an experiment that is not deleted, the latest first.

    Columns: `run_id`, `status`, `start_time` and `end_time` (milliseconds), `lifecycle`,
    `artifact_uri`, `tags.<name>`, `params.<name>`, `metrics.<name>` (NaN: not logged).

    Every run read is cached by store and experiment, deleted runs included. A later call queries
    only the unfinished, the newly finished and the deleted runs, and those whose files are gone.
    MLflow cannot list ids alone, and whole runs take long, so two changes go unnoticed: a run
    deleted and purged between two calls on a server that keeps its files itself, and a run copied
    into the store with an old end.
    """
    file, now = _cache_file(client, experiment), time.time()
    # The time before the contents: another process may replace the file in between.
    written = int(file.stat().st_mtime * 1000) if file.exists() else 0
    cached = _cached_runs(file)
    since = 0 if cached.empty else written - CLOCK_SKEW_MS
    settled = cached[_is_settled(cached)]
    in_doubt = cached.run_id[~cached.run_id.isin(settled.run_id)]
    rows = _query_changes(client, experiment, set(settled.run_id), in_doubt, since)
    runs = settled
    if rows or len(in_doubt):
        runs = _merge(settled, rows)
        _store(runs, file, now)
    return runs[runs.lifecycle == "active"].reset_index(drop=True)


def _cached_runs(file: Path) -> pd.DataFrame:
    """Return the runs of a cached file, none if it is absent or damaged."""
    if file.exists():
        try:
            return pd.read_parquet(file)
        except (ValueError, OSError):  # Arrow's
            notice(f"{file} was damaged and is made anew")
    return pd.DataFrame(columns=COLUMNS)


def _is_settled(cached: pd.DataFrame) -> pd.Series:
    """Return which of the cached runs are final: finished, not deleted, their files in place."""
    is_emptied = cached.artifact_uri.map(_is_emptied).astype(bool)
    return (cached.status == "FINISHED") & (cached.lifecycle == "active") & ~is_emptied


def _is_emptied(uri: str) -> bool:
    """Return whether a run's artifacts were on this machine and are gone."""
    path = local_path(uri)
    return path is not None and not path.is_dir()


def _query_changes(
    client: MlflowClient,
    experiment: str,
    settled: set[str],
    in_doubt: Iterable[str],
    since: int,
) -> list[dict[str, Any]]:
    """Query unfinished, newly finished and deleted runs, then what is left of those in doubt.

    Args:
        client: the store's client.
        experiment: id of the experiment.
        settled: ids of the runs whose row in the cache is final.
        in_doubt: ids of the cached runs whose row is not.
        since: when the cache was written, in milliseconds; runs that ended later are new.
    """
    ended = f"attributes.status = 'FINISHED' and attributes.end_time >= {since}"
    active = [r for r in training_runs(client, experiment, ended) if r.info.run_id not in settled]
    active += training_runs(client, experiment, "attributes.status != 'FINISHED'")
    deleted = list(training_runs(client, experiment, view=ViewType.DELETED_ONLY))
    # A run may end long before a lost server learns of it, and a deleted run may be restored.
    listed = {run.info.run_id for run in (*active, *deleted)}
    active += _existing_runs(client, [run for run in in_doubt if run not in listed])
    return [_row(run) for run in (*active, *deleted)]


def _existing_runs(client: MlflowClient, ids: Sequence[str]) -> Iterator[Run]:
    """Yield the runs of `ids` but for those that were purged from the store."""
    for run in ids:
        try:
            yield client.get_run(run)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise


def _row(run: Run) -> dict[str, Any]:
    info, data = run.info, run.data
    return {
        "run_id": info.run_id,
        "status": info.status,
        "start_time": info.start_time,
        "end_time": info.end_time,
        "lifecycle": info.lifecycle_stage,
        "artifact_uri": info.artifact_uri,
        **{f"tags.{k}": v for k, v in data.tags.items()},
        **{f"params.{k}": v for k, v in data.params.items()},
        **{f"metrics.{k}": v for k, v in data.metrics.items()},
    }


def _merge(settled: pd.DataFrame, rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return the settled runs and those of `rows`, which win, the latest first."""
    fresh = pd.DataFrame(rows, columns=None if rows else COLUMNS)
    kept = settled[~settled.run_id.isin(fresh.run_id)]
    frames = [frame for frame in (kept, fresh) if len(frame)]
    merged = pd.concat(frames) if frames else kept
    merged = merged.drop_duplicates("run_id")
    return merged.sort_values("start_time", ascending=False, kind="stable", ignore_index=True)


def _store(runs: pd.DataFrame, file: Path, now: float) -> None:
    """Cache `runs` as of `now`, when the store was queried: later runs are not among them."""
    with atomic_write(file) as part:
        runs.to_parquet(part, index=False)
        os.utime(part, (now, now))


def _cache_file(client: MlflowClient, experiment: str) -> Path:
    # The store may give an experiment's id to another one later: its creation time tells them apart
    created = client.get_experiment(experiment).creation_time
    name = f"{client.tracking_uri} {experiment} {created} {FORMAT_VERSION}"
    return cache() / "runs" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.parquet"
