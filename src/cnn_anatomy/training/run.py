"""One run: its network is built, trained and tested, and recorded as one MLflow run."""

from __future__ import annotations

import logging
import warnings

from mlflow import MlflowClient

from cnn_anatomy.core.interrupts import STOP
from cnn_anatomy.core.memory import released
from cnn_anatomy.distributed.process_group import broadcast, process_group, rank
from cnn_anatomy.tracking.store import call_with_retry
from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.evaluation import evaluate, load_evaluated
from cnn_anatomy.training.fit import fit
from cnn_anatomy.training.recording import opened_run, recorded_bug, run_lock
from cnn_anatomy.training.run_spec import RunSpec
from cnn_anatomy.training.transfer import transfer_weights


def run(spec: RunSpec, *, progress: bool = False) -> float:
    """Train or evaluate what `spec` describes as one MLflow run; return its test accuracy, 0 to 1.

    A run of a sweep is not trained again if another sweep has finished it meanwhile; an
    interrupted run resumes from its last checkpoint.

    Raises:
        ConfigError: if the configuration makes no sense.
        FloatingPointError: if the loss is not finite.
        Stopped: on Ctrl-C or SIGTERM, or if another rank of the run ends.
    """
    _silence_libraries()
    with released():
        return _run(spec, progress)


def _run(spec: RunSpec, progress: bool) -> float:
    with STOP, process_group():
        data = build_data(spec)
        with recorded_bug(spec, data):
            classifier, counts = build_classifier(spec, data)
        evaluated = spec.config.evaluate is not None
        (load_evaluated if evaluated else transfer_weights)(spec, classifier.network, data)
        with run_lock(spec):
            accuracy = broadcast(_accuracy_of_finished_twin(spec))
            if accuracy is None:
                replaced = classifier.network.replaced
                with opened_run(spec, data, counts, replaced) as logger:
                    if evaluated:
                        metrics = evaluate(spec, classifier, data, logger, progress=progress)
                    else:
                        metrics, _ = fit(spec, classifier, data, logger, progress=progress)
                accuracy = metrics["test/accuracy"]
    return accuracy


def _accuracy_of_finished_twin(spec: RunSpec) -> float | None:
    """Return the test accuracy of a run of the same key that ended after this sweep began."""
    if spec.parent is None or rank() > 0:
        return None
    parent, client = spec.parent, MlflowClient(spec.store_uri)
    sweep = call_with_retry(spec.store_uri, lambda: client.get_run(parent)).info
    query = f"tags.key = '{spec.key}' and tags.kind = 'run' and attributes.status = 'FINISHED'"
    for twin in call_with_retry(
        spec.store_uri, lambda: client.search_runs([sweep.experiment_id], query)
    ):
        if twin.info.end_time >= sweep.start_time:
            return twin.data.metrics["test/accuracy"]
    return None


def _silence_libraries() -> None:
    for name in ("lightning.pytorch", "lightning.fabric", "pytorch_lightning", "mlflow"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
    warnings.filterwarnings("ignore", module="torch.optim.*")
