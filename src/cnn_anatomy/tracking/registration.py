"""The registration of a study's claims: a tag of its experiment that no run precedes."""

from __future__ import annotations

from mlflow import MlflowClient
from mlflow.entities import ViewType

from cnn_anatomy.tracking.run_cache import training_runs

REGISTRATION_TAG = "claims.registered"


def register(client: MlflowClient, experiment: str, text: str) -> None:
    """Make `text` the registration of an experiment, unless that has a run, were it deleted."""
    if next(training_runs(client, experiment, view=ViewType.ALL), None) is None:
        client.set_experiment_tag(experiment, REGISTRATION_TAG, text)
