"""Which process writes a run, and what becomes of a run whose process is gone."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping

import psutil
from mlflow import MlflowClient
from mlflow.entities import Run

PAGE = 1000


def identity() -> dict[str, str]:
    """Return the tags that tell this process from every other: host, pid and its start."""
    started = psutil.Process().create_time()
    return {"host": socket.gethostname(), "pid": str(os.getpid()), "process.started": f"{started}"}


def is_here(tags: Mapping[str, str]) -> bool:
    """Return whether the process of `tags` is or was one of this host."""
    return tags.get("host") == socket.gethostname() and "pid" in tags


def is_gone(tags: Mapping[str, str]) -> bool:
    """Return whether the process of `tags` was one of this host and is no more."""
    if not is_here(tags):
        return False
    try:
        process = psutil.Process(int(tags["pid"]))
        if process.status() == psutil.STATUS_ZOMBIE:
            return True
        started = float(tags.get("process.started", process.create_time()))
        return abs(process.create_time() - started) > 1  # another process has its number
    except psutil.NoSuchProcess:
        return True


def close_orphans(client: MlflowClient, experiment: str, *, sweep: str | None = None) -> list[Run]:
    """End as KILLED every RUNNING run of this host whose process is gone; return them.

    `sweep` is the parent of runs that this process launched and trains no more: those of this very
    process, and those of other hosts, are among them.
    """
    closed, token = [], None
    while True:
        query = "attributes.status = 'RUNNING'"
        page = client.search_runs([experiment], query, max_results=PAGE, page_token=token)
        for run in page:
            tags = run.data.tags
            mine = tags.get("mlflow.parentRunId") == sweep is not None and (
                not is_here(tags) or tags.items() >= identity().items()
            )
            if mine or is_gone(tags):
                client.set_tag(run.info.run_id, "reason", "its process ended without a word")
                client.set_terminated(run.info.run_id, "KILLED")
                closed.append(run)
        token = page.token
        if not token:
            return closed
