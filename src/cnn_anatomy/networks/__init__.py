"""Convolutional networks assembled from swappable parts: plain PyTorch, no Lightning, no Hydra."""

from cnn_anatomy.networks.interface import Network, Output
from cnn_anatomy.networks.network import Composed, compose
from cnn_anatomy.networks.stages import Stage

__all__ = ["Composed", "Network", "Output", "Stage", "compose"]
