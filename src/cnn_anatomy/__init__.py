"""What is said about the structure of convolutional networks, put to controlled experiments."""

import os

from omegaconf import OmegaConf

from cnn_anatomy.core.hardware import native_precision

OmegaConf.register_new_resolver("native_precision", native_precision, replace=True)
OmegaConf.register_new_resolver("sum", lambda *numbers: sum(numbers), replace=True)
# MLflow reads these when it is imported.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")  # one bar per file is noise
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing of a run leaves the machine
