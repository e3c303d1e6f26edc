"""What is said about the structure of convolutional networks, put to controlled experiments."""

from omegaconf import OmegaConf

from cnn_anatomy.hardware import native_precision

OmegaConf.register_new_resolver("native_precision", native_precision, replace=True)
