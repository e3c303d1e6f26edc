"""The parent run of a sweep, which holds its plan and, in the end, its table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mlflow import MlflowClient

from cnn_anatomy.tracking.orphans import identity


def start_parent(
    client: MlflowClient,
    experiment: str,
    study: str,
    runs: Sequence[Mapping[str, Any]],
    *,
    preset: bool,
) -> str:
    """Create a sweep's parent run with `runs` as its plan.json; return its id.

    `preset` says that the sweep is the study's own, with no override from outside.
    """
    tags = {
        "study": study,
        "preset": str(preset).lower(),
        "mlflow.user": "sweep",
        **identity(),
    }
    parent = client.create_run(experiment, run_name=f"sweep of {study}", tags=tags)
    client.log_dict(parent.info.run_id, {"study": study, "runs": list(runs)}, "plan.json")
    client.set_tag(parent.info.run_id, "kind", "sweep")  # now that it has a plan to be read
    return parent.info.run_id


def describe(client: MlflowClient, parent: str, markdown: str, folder: Path) -> None:
    """Make `markdown` the description of a parent run, and keep the files of `folder` with it."""
    client.set_tag(parent, "mlflow.note.content", markdown)
    client.log_artifacts(parent, str(folder), "results")
