"""Sentences about a store."""

from __future__ import annotations

import os

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.paths import DEFAULT_STORE, STORE_VARIABLE
from cnn_anatomy.core.uris import without_secrets


def store_key(uri: str) -> str:
    """Return how a sentence names the store `uri`: with the variable or the key that gave it."""
    shown = without_secrets(uri)
    if os.environ.get(STORE_VARIABLE) == uri:
        return f"{STORE_VARIABLE}={shown}"
    return f"the store {shown}" if uri == DEFAULT_STORE else f"tracking.uri={shown}"


def deleted_experiment(uri: str, study: str, number: object) -> ConfigError:
    """Return the error that the experiment `number`, of `study`, was deleted in MLflow's UI."""
    shown = without_secrets(uri)
    return ConfigError(
        f"study={study}: its experiment in {shown} was deleted; restore it with "
        f"MLFLOW_TRACKING_URI='{shown}' python -m mlflow experiments restore --experiment-id "
        f"{number}, or delete it for good, with its runs, by python -m mlflow gc "
        f"--backend-store-uri '{shown}' --experiment-ids {number}"
    )
