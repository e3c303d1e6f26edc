"""Claims are registered as long as no run of their study exists."""

from mlflow import MlflowClient

from cnn_anatomy.tracking.registration import REGISTRATION_TAG, register
from cnn_anatomy.tracking.store import prepare


def test_no_run_precedes_a_registration(uri):
    experiment = prepare(uri, "mine")
    client = MlflowClient(uri)

    def registered():
        return client.get_experiment(experiment).tags.get(REGISTRATION_TAG)

    register(client, experiment, "first")
    client.create_run(experiment, tags={"kind": "sweep"})  # which trained nothing
    register(client, experiment, "second")
    assert registered() == "second"
    run = client.create_run(experiment, tags={"kind": "run"})
    register(client, experiment, "third")
    client.delete_run(run.info.run_id)
    register(client, experiment, "fourth")
    assert registered() == "second"


def test_a_study_with_runs_is_not_registered_later(uri):
    experiment = prepare(uri, "mine")
    client = MlflowClient(uri)
    client.create_run(experiment, tags={"kind": "run"})
    register(client, experiment, "late")
    assert REGISTRATION_TAG not in client.get_experiment(experiment).tags
