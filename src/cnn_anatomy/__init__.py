"""What is said about the structure of convolutional networks, put to controlled experiments."""

import os

from omegaconf import OmegaConf

from cnn_anatomy.core.hardware import native_precision

OmegaConf.register_new_resolver("native_precision", native_precision, replace=True)
# MLflow reads it when it is imported: a bar for each file that it copies is noise here.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
