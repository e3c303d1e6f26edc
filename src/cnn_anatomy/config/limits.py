"""The ranges of keys that are no parameters of ours: train.yaml's own, PyTorch's and Lightning's.

Every class declares keys of one part of the configuration; it is read, never instantiated. The
range of a parameter of ours belongs to its annotation in the signature.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from cnn_anatomy.core.ranges import Count, NonNegative, Pattern, Positive, Seed, Share, Size

# A number of batches, or a part of an epoch's; null: all of them.
Batches = Size | Annotated[float, Gt(0), Le(1)] | None


@dataclass
class RunKeys:
    """The top-level keys of train.yaml that hold a single value."""

    seed: Seed
    threads: Annotated[int, Ge(1), Le(1024)]
    compile: bool
    evaluate: Annotated[str, Pattern(r".+", "a file or runs:/<id>")] | None
    study: Annotated[
        str, Pattern(r"\w[\w.-]*(/\w[\w.-]*)?", "a name of letters, digits, - and _, as in skip")
    ]
    setting: Annotated[str, Pattern(r"\w[\w.-]*", "a name of letters, digits, - and _")] | None
    variant: Annotated[str, Pattern(r"[^\n]+", "a name of one line")]


@dataclass
class TrackingKeys:
    """The keys of train.yaml below `tracking`."""

    uri: str | None
    parent: Annotated[str, Pattern(r"\w+", "the id of a run")] | None
    log: str | None
    weights: bool


@dataclass
class PathKeys:
    """The keys of train.yaml below `paths`."""

    cache: Annotated[str, Pattern(r".+", "a folder")]


@dataclass
class TrainerKeys:
    """Keys of Lightning's Trainer that take less than its annotations allow."""

    precision: Literal["32-true", "bf16-mixed", "16-mixed"]  # weights and probes need float32
    accelerator: Literal["auto", "cpu", "gpu", "cuda", "mps", "tpu"]
    devices: Size | str | list[Count]  # how many, or the indices of GPUs
    strategy: Literal["auto", "ddp", "ddp_find_unused_parameters_true"]
    num_nodes: Size
    max_epochs: Size | None
    max_steps: Size | Literal[-1]  # -1: no limit
    fast_dev_run: bool | Size
    limit_train_batches: Batches
    limit_val_batches: Batches
    limit_test_batches: Batches
    val_check_interval: Batches
    check_val_every_n_epoch: Size | None
    accumulate_grad_batches: Size
    gradient_clip_algorithm: Literal["norm", "value"] | None
    gradient_clip_val: Annotated[float, Gt(0)] | None
    deterministic: bool | Literal["warn"]


@dataclass
class OptimizerKeys:
    """Keys of PyTorch's optimisers."""

    lr: Positive
    momentum: Share
    betas: tuple[Share, Share]
    weight_decay: NonNegative
    eps: Positive


@dataclass
class SchedulerKeys:
    """Keys of PyTorch's OneCycleLR."""

    max_lr: Positive


# The class that declares keys of a part of the configuration ("" for the top level).
NARROWED = {
    "": RunKeys,
    "trainer": TrainerKeys,
    "optimizer": OptimizerKeys,
    "scheduler": SchedulerKeys,
}
