"""Convolutional networks assembled from swappable parts: plain PyTorch, no Lightning, no Hydra."""

from cnn_anatomy.networks.network import Network, Output, compose
from cnn_anatomy.networks.stages import Stage

__all__ = ["Network", "Output", "Stage", "compose"]
