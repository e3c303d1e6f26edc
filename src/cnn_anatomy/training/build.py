"""Building the data and the classifier that a run's configuration describes."""

from __future__ import annotations

import lightning.pytorch as pl
import torch

from cnn_anatomy.config.duration import check_batches, training_steps
from cnn_anatomy.config.reach import refuse_unreached
from cnn_anatomy.core.instantiation import instantiate
from cnn_anatomy.data import ImageData
from cnn_anatomy.distributed.process_group import barrier, rank
from cnn_anatomy.networks import Network
from cnn_anatomy.networks.freezing import Freezing, freeze
from cnn_anatomy.networks.interface import weight_layers
from cnn_anatomy.training.classifier import Classifier
from cnn_anatomy.training.dry_run import require_trainable
from cnn_anatomy.training.run_spec import RunSpec


def build_data(spec: RunSpec) -> ImageData:
    """Return the data module, its images loaded: first by rank zero, which may download them.

    Raises:
        ConfigError: if a split is empty, or a class does not exist.
    """
    data: ImageData = instantiate(spec.config.data, _convert_="all")
    if rank() == 0:
        data.load()
    barrier()
    data.load()
    return data


def build_network(spec: RunSpec, data: ImageData) -> Network:
    """Return the untrained network for the images and classes of `data`.

    Raises:
        ConfigError: if the network refuses its settings.
    """
    channels, height, width = data.shape
    network: Network = instantiate(
        spec.config.model,
        channels=channels,
        size=(height, width),
        classes=len(data.load().classes),
        _convert_="all",
    )
    return network


def build_classifier(spec: RunSpec, data: ImageData) -> tuple[Classifier, dict[str, int]]:
    """Return the untrained classifier, and the MLflow parameters that count its layers.

    They are `freeze.layers` and, if there is surgery, `surgery.replaced`.

    Raises:
        ConfigError: if the network, the optimiser, its schedule or the trainer refuses its
            settings.
    """
    config = spec.config
    refuse_unreached(spec.plain)
    torch.set_num_threads(config.threads)
    # Skip the debug fill; we never read uninitialised memory.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    splits = data.load()
    pl.seed_everything(config.seed, verbose=False)
    network = build_network(spec, data)
    image = torch.zeros(1, *data.shape)
    freezing: Freezing = instantiate(config.freeze)
    frozen = freezing(network, image)
    freeze(frozen)
    frozen_layers = [m for _, m in weight_layers(network, image) if not m.weight.requires_grad]
    trainer = dict(config.trainer)
    batches = len(data.batches(splits.train, train=True))
    val, *tested = (len(data.batches(s)) for s in (splits.val, splits.test, splits.train))
    check_batches(trainer, batches, val, tested)
    classifier = Classifier(
        network.to(memory_format=network.memory_format),
        auxiliary=instantiate(config.aux, _convert_="all"),
        classes=len(splits.classes),
        optimizer=instantiate(config.optimizer),
        scheduler=instantiate(config.scheduler),
        steps=training_steps(trainer, batches),
        frozen=frozen,
        thaws=freezing.thaws(network),
    )
    require_trainable(classifier.optimizer, classifier.scheduler, trainer, classifier.steps)
    counts = {"freeze.layers": len(frozen_layers)}
    if network.replaced:
        counts["surgery.replaced"] = len(network.replaced)
    return classifier, counts
