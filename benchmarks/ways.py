"""Ways to train the same network on the same images: the limit, ours, and common practice.

Each takes a case and an empty folder, and returns images per second without the first epoch.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import mlflow
import torch
import torch.nn.functional as F
from hydra.utils import instantiate
from lightning.pytorch.loggers import MLFlowLogger
from mlflow import MlflowClient
from omegaconf import DictConfig
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchmetrics.classification import MulticlassAccuracy
from torchvision import transforms

from benchmarks.cases import Case
from benchmarks.timing import Clock
from cnn_anatomy.data import ImageSet
from cnn_anatomy.probes.speed import SpeedProbe
from cnn_anatomy.tracking.store import prepare
from cnn_anatomy.training.build import build_classifier, build_data
from cnn_anatomy.training.dry_run import bare_trainer
from cnn_anatomy.training.run import run
from cnn_anatomy.training.run_spec import RunSpec

Way = Callable[[Case, Path], float]
Step = Callable[[], None]


def limit(case: Case, folder: Path) -> float:
    """Train on one batch in memory: forward, loss, backward, step, and nothing else."""
    step, images = bare_step(case, folder)
    clock = Clock()
    for _ in range(case.config(folder).trainer.max_epochs):
        clock.start()
        for _ in range(case.images // images):
            step()
            clock.images += images
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        clock.stop()
    return clock.rate


def bare_step(case: Case, folder: Path) -> tuple[Step, int]:
    """Return a training step on one batch, which stays on the device, and the batch's size."""
    spec = RunSpec.of(case.config(folder))
    config, data = spec.config, build_data(spec)
    classifier, _ = build_classifier(spec, data)
    device = bare_trainer(dict(config.trainer)).strategy.root_device
    network = classifier.network.train().to(device)
    optimizer = instantiate(config.optimizer)(network.parameters())
    batch = next(iter(data.batches(data.load().train, train=True)))
    images, labels = (tensor.to(device) for tensor in batch)
    is_bfloat16 = config.trainer.precision == "bf16-mixed"

    def step() -> None:
        with torch.autocast(device.type, torch.bfloat16, is_bfloat16, cache_enabled=False):
            loss = F.cross_entropy(network(images).logits, labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    return step, len(labels)


def ours(case: Case, folder: Path, *overrides: str) -> float:
    """Train one run as a sweep does: probes, metrics, checkpoints and MLflow."""
    return _run(case.config(folder, *overrides))


def without_probes(case: Case, folder: Path) -> float:
    """Train one run as a sweep does, without any probe but the one that times it."""
    config = case.config(folder)
    config.probes = {"speed": config.probes.speed}
    return _run(config)


FROZEN = ("freeze=feature_extraction", "data.augment=null")


def extraction(case: Case, folder: Path) -> float:
    """Train the classifier on features computed once."""
    return ours(case, folder, *FROZEN)


def extraction_anew(case: Case, folder: Path) -> float:
    """Train the classifier on features computed again in every epoch."""
    return ours(case, folder, *FROZEN, "~callbacks.frozen_prefix")


def lightning(case: Case, folder: Path) -> float:
    """Train as popular templates do: DataLoader, one transform per image, a log entry per step."""
    config = case.config(folder)
    loader, validation, network = _usual(config)
    logger = MLFlowLogger("usual", tracking_uri=f"sqlite:///{folder}/mlflow.db")
    speed = SpeedProbe()
    trainer = pl.Trainer(
        max_epochs=config.trainer.max_epochs,
        logger=logger,
        callbacks=[speed],
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        accelerator=config.trainer.accelerator,
        log_every_n_steps=1,
    )
    trainer.fit(Usual(network, config), loader, validation)
    return speed.images / speed.seconds


def script(case: Case, folder: Path) -> float:
    """Train as a script does: a loop over a DataLoader that reads the loss at every step."""
    config = case.config(folder)
    loader, _, network = _usual(config)
    optimizer = instantiate(config.optimizer)(network.parameters())
    mlflow.set_tracking_uri(f"sqlite:///{folder}/mlflow.db")
    mlflow.set_experiment("usual")
    clock = Clock()
    with mlflow.start_run():
        for epoch in range(config.trainer.max_epochs):
            network.train()
            total, correct = 0.0, 0
            clock.start()
            for images, labels in loader:
                optimizer.zero_grad()
                logits = network(images).logits
                loss = F.cross_entropy(logits, labels)
                loss.backward()
                optimizer.step()
                total += loss.item()
                correct += int((logits.argmax(1) == labels).sum())
                clock.images += len(labels)
            clock.stop()
            mlflow.log_metrics({"loss": total / len(loader), "accuracy": correct}, step=epoch)
    return clock.rate


WAYS: dict[str, Way] = {
    "limit": limit,
    "ours": ours,
    "ours without probes": without_probes,
    "usual with Lightning": lightning,
    "usual script": script,
}
EXTRACTION: dict[str, Way] = {"computed once": extraction, "computed anew": extraction_anew}


class Usual(pl.LightningModule):
    """A LightningModule as tutorials write it."""

    def __init__(self, network: nn.Module, config: DictConfig) -> None:
        super().__init__()
        self.network = network
        self.config = config
        self.accuracy = MulticlassAccuracy(10, average="micro")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Return the loss; log loss and accuracy."""
        images, labels = batch
        logits = self.network(images).logits
        loss = F.cross_entropy(logits, labels)
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        self.log("train/accuracy", self.accuracy(logits, labels), on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        """Log loss and accuracy."""
        logits = self.network(batch[0]).logits
        self.log("val/loss", F.cross_entropy(logits, batch[1]))
        self.log("val/accuracy", self.accuracy(logits, batch[1]))

    def configure_optimizers(self) -> Any:
        """Return the run's optimiser."""
        return instantiate(self.config.optimizer)(self.parameters())


class Images(Dataset[tuple[Any, int]]):
    """Images, one at a time, through PIL and transforms, as torchvision's data sets yield them."""

    def __init__(self, images: ImageSet, transform: Callable[[Any], Any]) -> None:
        self.arrays = images.images.permute(0, 2, 3, 1).squeeze(-1).numpy()
        self.labels = images.labels.tolist()
        self.transform = transform

    def __len__(self) -> int:
        return len(self.labels)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return self.transform(Image.fromarray(self.arrays[index])), self.labels[index]


def _run(config: DictConfig) -> float:
    run(RunSpec.of(config))
    client = MlflowClient(config.tracking.uri)
    experiment = prepare(config.tracking.uri, config.study)
    (latest,) = client.search_runs([experiment], max_results=1)
    return latest.data.metrics["speed/images_per_second"]


def _usual(config: DictConfig) -> tuple[DataLoader[Any], DataLoader[Any], nn.Module]:
    """Return the training and validation loaders, and the network in PyTorch's memory format."""
    spec = RunSpec.of(config)
    data = build_data(spec)
    splits = data.load()
    classifier, _ = build_classifier(spec, data)
    plain = [transforms.ToTensor(), transforms.Normalize(data.mean / 255, data.std / 255)]
    augmented = [transforms.RandomCrop(32, padding=config.data.augment.pad), *plain]
    size = config.data.batch_size
    return (
        DataLoader(
            Images(splits.train, transforms.Compose(augmented)), size, shuffle=True, drop_last=True
        ),
        DataLoader(Images(splits.val, transforms.Compose(plain)), size),
        classifier.network.to(memory_format=torch.contiguous_format),
    )
