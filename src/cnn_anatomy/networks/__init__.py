"""Convolutional networks assembled from swappable parts: plain PyTorch, no Lightning, no Hydra."""

from cnn_anatomy.networks.network import Network, Output, Stage, compose

__all__ = ["Network", "Output", "Stage", "compose"]
