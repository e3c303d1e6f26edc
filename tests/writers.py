"""Functions that tests run in other processes, which import this module."""

from mlflow import MlflowClient
from mlflow.entities import Metric

from cnn_anatomy.tracking.store import prepare

BATCHES = 1000


def make(uri):
    """Make a store and an experiment in it, where they are missing."""
    return prepare(uri, "together")


def write(task):
    """Log a thousand batches of two metrics to a new run; return its id."""
    uri, experiment, writer = task
    client = MlflowClient(uri)
    run = client.create_run(experiment, run_name=str(writer)).info.run_id
    for step in range(BATCHES):
        client.log_batch(run, [Metric("a", step, 0, step), Metric("b", -step, 0, step)])
    return run
