"""Orphans: runs that the store lists as RUNNING though their process is gone."""

from __future__ import annotations

import socket
from collections.abc import Mapping

from mlflow import MlflowClient
from mlflow.entities import Run

from cnn_anatomy.core.processes import process_start
from cnn_anatomy.tracking.provenance import process_tags

PROCESS_DIED = "its process died without reporting an error"
PAGE_SIZE = 1000


def ran_on_this_host(tags: Mapping[str, str]) -> bool:
    """Return whether the process that wrote the run of `tags` belongs or belonged to this host."""
    return tags.get("host") == socket.gethostname() and "pid" in tags


def process_is_gone(tags: Mapping[str, str]) -> bool:
    """Return whether the process of `tags` belonged to this host and has ended.

    Nothing is known of other hosts' processes, so the answer for them is False.
    """
    if not ran_on_this_host(tags):
        return False
    start = process_start(int(tags["pid"]))
    # The system reuses pids: one with another start is another process.
    return start is None or start != tags.get("process.started", start)


def written_by_this_process(tags: Mapping[str, str]) -> bool:
    """Return whether `tags` name this very process."""
    return tags.items() >= process_tags().items()


def close_orphans(client: MlflowClient, experiment: str, *, sweep: str | None = None) -> list[Run]:
    """End every orphan of this host as KILLED, and return these runs.

    With `sweep`, the id of a parent run whose launcher has returned, its RUNNING children are
    orphans as well, whether they belong to this very process or to another host.
    """
    closed, token = [], None
    while True:
        query = "attributes.status = 'RUNNING'"
        page = client.search_runs([experiment], query, max_results=PAGE_SIZE, page_token=token)
        for run in page:
            tags = run.data.tags
            abandoned = tags.get("mlflow.parentRunId") == sweep is not None and (
                not ran_on_this_host(tags) or written_by_this_process(tags)
            )
            if abandoned or process_is_gone(tags):
                client.set_tag(run.info.run_id, "reason", PROCESS_DIED)
                client.set_terminated(run.info.run_id, "KILLED")
                closed.append(run)
        token = page.token
        if not token:
            return closed
