"""The parent run of a sweep in MLflow, which holds its plan and, in the end, its table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlflow import MlflowClient
from mlflow.entities import Run

from cnn_anatomy.core.uris import without_secrets_inside
from cnn_anatomy.tracking.provenance import code_commit, process_tags
from cnn_anatomy.tracking.run_cache import training_runs

SWEEP_TAG = "sweep"  # the parent run of the latest sweep that counts a run


@dataclass(frozen=True)
class OpenSweep:
    """A sweep in progress, which may be of several studies.

    Args:
        client: the store's client.
        experiments: id of the experiment by study.
        parents: id of the parent run by study.
    """

    client: MlflowClient
    experiments: Mapping[str, str]
    parents: Mapping[str, str]

    def children(self, query: str = "") -> Iterator[Run]:
        """Yield the sweep's training runs that match `query`."""
        for study, parent in self.parents.items():
            is_child = f"tags.`mlflow.parentRunId` = '{parent}'"
            words = f"{is_child} and {query}" if query else is_child
            yield from training_runs(self.client, self.experiments[study], words)

    def failed_children(self) -> Iterator[Run]:
        """Yield the sweep's FAILED training runs."""
        return self.children("attributes.status = 'FAILED'")


def start_parent(
    client: MlflowClient,
    experiment: str,
    study: str,
    runs: Sequence[Mapping[str, Any]],
    *,
    preset: bool,
    until_decided: bool = False,
    tuning: Sequence[Mapping[str, Any]] = (),
) -> str:
    """Create a sweep's parent run with `runs` as its plan.json; return its id.

    `preset` marks a sweep with the study's own settings, without an override from outside,
    `until_decided` one to which seeds are added until the claims are decided, and `tuning` tells
    how its variants were tuned.
    """
    tags = {
        "study": study,
        "preset": str(preset).lower(),
        "mlflow.user": "sweep",
        "mlflow.source.name": f"study={study}",
        "mlflow.source.git.commit": code_commit(),
        **process_tags(),
    }
    parent = client.create_run(experiment, run_name=f"sweep of {study}", tags=tags)
    record_plan(client, parent.info.run_id, study, runs, until_decided=until_decided, tuning=tuning)
    # Readers look for this tag and then read the plan, so it comes last.
    client.set_tag(parent.info.run_id, "kind", "sweep")
    return parent.info.run_id


def record_plan(
    client: MlflowClient,
    parent: str,
    study: str,
    runs: Sequence[Mapping[str, Any]],
    *,
    until_decided: bool,
    tuning: Sequence[Mapping[str, Any]] = (),
) -> None:
    """Log `runs` as the plan.json of a sweep's parent run, in place of an earlier one."""
    plan = {
        "study": study,
        "until_decided": until_decided,
        "tuning": list(tuning),
        "runs": list(runs),
    }
    client.log_dict(parent, without_secrets_inside(plan), "plan.json")


def count_runs(client: MlflowClient, sweeps: Mapping[str, str]) -> None:
    """Mark runs that were done before as counted by a sweep, as its own are from their start.

    Args:
        client: the store's client.
        sweeps: id of the run → id of the sweep's parent run.
    """
    for run_id, parent in sweeps.items():
        client.set_tag(run_id, SWEEP_TAG, parent)


def describe(client: MlflowClient, parent: str, markdown: str, folder: Path) -> None:
    """Make `markdown` the description of a parent run, and log the files of `folder` with it."""
    client.set_tag(parent, "mlflow.note.content", markdown)
    for file in sorted(folder.iterdir()):
        if file.is_file():  # folders hold the pages of the study's other settings
            client.log_artifact(parent, str(file), "results")
