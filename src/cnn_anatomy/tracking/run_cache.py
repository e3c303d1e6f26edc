"""The runs of an experiment as a data frame. Finished runs do not change: they are read once."""

from __future__ import annotations

import gc
import hashlib
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlparse

import pandas as pd
from mlflow import MlflowClient
from mlflow.entities import Run, ViewType
from mlflow.exceptions import MlflowException

from cnn_anatomy.core.atomic import atomic_write
from cnn_anatomy.core.paths import cache

PAGE = 1000
COLUMNS = ["run_id", "status", "start_time", "end_time", "lifecycle", "artifact_uri"]
VERSION = 2  # of the files in the cache
SKEW = 300_000  # milliseconds by which the clock of a machine that trains may be behind ours


def children(
    client: MlflowClient, experiment: str, query: str = "", view: int = ViewType.ACTIVE_ONLY
) -> Iterator[Run]:
    """Yield the experiment's training runs, the latest first; `query` narrows them down."""
    query = "tags.kind = 'run'" + (f" and {query}" if query else "")
    token = None
    while True:
        with _uncollected():
            page = client.search_runs(
                [experiment], query, run_view_type=view, max_results=PAGE, page_token=token
            )
        yield from page
        token = page.token
        if not token:
            return


@contextmanager
def _uncollected() -> Iterator[None]:
    """Pause Python's garbage collector, which doubles the time in which MLflow makes its objects.

    It looks at all that is imported again and again, while nothing of a page is garbage yet.
    """
    paused = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if paused:
            gc.enable()


def known(client: MlflowClient, experiment: str) -> pd.DataFrame:
    """Return every training run of an experiment that is not deleted, the latest first.

    Columns: `run_id`, `status`, `start_time` and `end_time` (milliseconds), `lifecycle`,
    `artifact_uri`, `tags.<name>`, `params.<name>`, `metrics.<name>` (NaN: not logged).

    What was read before is kept in the cache, for each store and experiment, deleted runs among it.
    Asked for are the runs that had not finished then, those that have ended since, which are
    deleted, and those whose files are gone. MLflow lists no ids alone, and whole runs take long:
    one that is deleted and purged between two calls on a server that has its files stays, and one
    that is copied into the store with an old end is not seen.
    """
    file, began = _file(client, experiment), time.time()
    # Its time before its contents: another process may put a later file in between.
    since = int(file.stat().st_mtime * 1000) - SKEW if file.exists() else 0
    kept = pd.read_parquet(file) if file.exists() else pd.DataFrame(columns=COLUMNS)
    settled = kept.status == "FINISHED"
    unsure = (kept.lifecycle == "deleted") | kept.artifact_uri.map(_is_emptied).astype(bool)
    before, waited = set(kept.run_id[settled]), list(kept.run_id[~settled | unsure])
    ended = f"attributes.status = 'FINISHED' and attributes.end_time >= {since}"
    fresh = [_row(r) for r in children(client, experiment, ended) if r.info.run_id not in before]
    fresh += [_row(r) for r in children(client, experiment, "attributes.status != 'FINISHED'")]
    deleted = [_row(run) for run in children(client, experiment, view=ViewType.DELETED_ONLY)]
    # A server that was lost hears of a run's end later than it was; a deleted one may come back.
    seen = {row["run_id"] for row in (*fresh, *deleted)}
    fresh += [_row(r) for r in _those(client, [run for run in waited if run not in seen])]
    fresh += deleted
    kept = kept[settled & ~unsure & ~kept.run_id.isin([row["run_id"] for row in fresh])]
    if fresh or waited:
        if fresh:
            kept = pd.concat([frame for frame in (kept, pd.DataFrame(fresh)) if len(frame)])
        kept = kept.drop_duplicates("run_id")
        kept = kept.sort_values("start_time", ascending=False, kind="stable", ignore_index=True)
        with atomic_write(file) as part:
            kept.to_parquet(part, index=False)
            os.utime(part, (began, began))  # when the store was read: later runs are not in it
    return kept[kept.lifecycle == "active"].reset_index(drop=True)


def _is_emptied(uri: str) -> bool:
    """Return whether a run's files were on this machine and are gone."""
    place = urlparse(uri)
    return place.scheme in ("", "file") and not Path(place.path).is_dir()


def _those(client: MlflowClient, ids: Sequence[str]) -> Iterator[Run]:
    for run in ids:
        try:
            yield client.get_run(run)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise


def _row(run: Run) -> dict[str, object]:
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


def _file(client: MlflowClient, experiment: str) -> Path:
    made = client.get_experiment(experiment).creation_time  # another may have this id one day
    name = f"{client.tracking_uri} {experiment} {made} {VERSION}"
    return cache() / "runs" / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.parquet"
