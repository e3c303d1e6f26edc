"""The registration of a study's claims: a tag of its experiment that no run precedes."""

from __future__ import annotations

from collections.abc import Sequence

from mlflow import MlflowClient
from mlflow.entities import ViewType

from cnn_anatomy.tracking.run_cache import training_runs

REGISTRATION_TAG = "claims.registered"


def register(client: MlflowClient, experiment: str, text: str, further: Sequence[str] = ()) -> None:
    """Make `text` the registration of an experiment, unless there is a run, even a deleted one.

    The runs of the `further` experiments count, too.
    """
    runs = (training_runs(client, e, view=ViewType.ALL) for e in (experiment, *further))
    if all(next(found, None) is None for found in runs):
        client.set_experiment_tag(experiment, REGISTRATION_TAG, text)
