"""Claims are registered before the first run of their study, its trials included."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from mlflow import MlflowClient

from cnn_anatomy.studies.registration import registration
from cnn_anatomy.studies.study import Study
from cnn_anatomy.tracking.registration import register


def register_claims(
    client: MlflowClient, experiments: Mapping[str, str], studies: Iterable[Study]
) -> None:
    """Register the claims of each study that has neither a run nor a trial yet.

    Args:
        client: the store's client.
        experiments: id of the experiment by study.
        studies: the studies.
    """
    for study in studies:
        if study.claims:
            trials = client.get_experiment_by_name(study.trials) if study.tune else None
            further = [] if trials is None else [trials.experiment_id]
            text = registration(study).model_dump_json()
            register(client, experiments[study.name], text, further)
