"""Recording a run in MLflow, under a lock that keeps other processes from training it too."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock
from omegaconf import OmegaConf

from cnn_anatomy.config.options import PLACED, PRESETS, written
from cnn_anatomy.config.reach import reaches
from cnn_anatomy.config.saved_config import CONFIG
from cnn_anatomy.config.saved_words import OVERRIDES, TRAINING
from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.uris import without_secrets_inside
from cnn_anatomy.data import ImageData
from cnn_anatomy.distributed.process_group import rank
from cnn_anatomy.tracking.run import RunLogger, log_dataset, tracked
from cnn_anatomy.tracking.store import call_with_retry, prepare
from cnn_anatomy.training.run_spec import RunSpec

AXES = (
    *("model", "data", "block", "pooling", "skip", "inception", "aux", "freeze", "head", "norm"),
    *("activation", "conv", "attention", "residual", "init", "transfer", "optimizer", "scheduler"),
)
SURGERY = "surgery.txt"  # the artifact that lists what was replaced


@contextmanager
def run_lock(spec: RunSpec) -> Iterator[None]:
    """Wait until no other process trains this run, and keep others from it until the end.

    Rank zero takes the lock for all ranks.
    """
    if rank() > 0:
        yield
        return
    spec.lock_file.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(spec.lock_file):
        yield


@contextmanager
def opened_run(
    spec: RunSpec, data: ImageData, counts: Mapping[str, int], replaced: Sequence[str] = ()
) -> Iterator[RunLogger | None]:
    """Open the run in MLflow and yield its logger, on rank zero; other ranks, dry runs get None.

    The run ends FINISHED, FAILED or KILLED, as the block does; an interrupted run of the same key
    is continued. Call it inside `run_lock`. `replaced` tells each module that surgery replaced.
    """
    if rank() > 0 or spec.is_dry:
        yield None
        return
    uri = spec.store_uri
    with tracked(
        uri,
        call_with_retry(uri, lambda: prepare(uri, spec.config.study)),
        name=spec.name,
        tags=spec.tags,
        params={**run_params(spec), **counts},
        parent=spec.parent,
        journals=spec.journal_folder,
        log=spec.log_file,
    ) as logger:
        _log_inputs(spec, data, logger, replaced)
        yield logger


@contextmanager
def recorded_bug(spec: RunSpec, data: ImageData) -> Iterator[None]:
    """Record an error in the block, which comes before the run is open, as a FAILED run.

    A ConfigError is the user's mistake and leaves no run behind.
    """
    try:
        yield
    except ConfigError:
        raise
    except Exception:
        with run_lock(spec), opened_run(spec, data, {}):
            raise


def run_params(spec: RunSpec) -> dict[str, Any]:
    """Return the MLflow parameters: the option of each axis, and the numbers behind it.

    An evaluation has none of training: its configuration does not say how the weights were trained.
    """
    unused = set() if spec.config.evaluate is None else TRAINING
    axes = [axis for axis in AXES if reaches(axis, spec.plain) and axis not in unused]
    placed = [key for key in PLACED if OmegaConf.select(spec.config, key) is not None]
    params: dict[str, Any] = {key: _choice(spec, key) for key in (*axes, *placed)}
    for group in (*axes, *placed, *(() if unused else ("trainer",))):
        settings = OmegaConf.select(spec.config, group)
        pairs = [
            *settings.items(),
            *((f"args.{k}", v) for k, v in settings.get("args", {}).items()),
        ]
        for key, value in pairs:
            if isinstance(value, int | float | str) and not str(key).startswith("_"):
                params[f"{group}.{key!s}"] = value
    source = spec.config.data.source
    if named := source.get("target") or source.get("name"):  # of a data set that is no option
        params["data.source"] = named
    params[PRESETS] = spec.choices.get(PRESETS, "none")
    if spec.config.evaluate is not None:
        params["evaluate"] = spec.config.evaluate
    if spec.config.setting:
        params["setting"] = spec.config.setting
    chosen = {"compile": spec.config.compile, "seed": spec.config.seed}
    return {**params, **chosen, "variant": spec.config.variant}


def _choice(spec: RunSpec, key: str) -> str:
    """Return the option of an axis, or at a key of PLACED, or the class that has its place."""
    axis = PLACED.get(key, key)
    choice = spec.choices.get(f"{axis}@{key}" if key in PLACED else key, "custom")
    file = written(axis, choice) or {}
    target = OmegaConf.select(spec.config, key).get("_target_")
    return choice if file.get("_target_", target) == target else str(target)


def _log_inputs(spec: RunSpec, data: ImageData, logger: RunLogger, replaced: Sequence[str]) -> None:
    """Log digests of the images, the configuration without passwords, and what surgery did."""
    splits = data.load()
    digests = {
        "training": splits.train.digest(),
        "validation": splits.val.digest(),
        "test": splits.test.digest(),
    }
    log_dataset(logger, getattr(data.source, "name", type(data.source).__name__), digests)
    with tempfile.TemporaryDirectory() as folder:
        config = without_secrets_inside(OmegaConf.to_container(spec.config))
        (Path(folder) / CONFIG).write_text(OmegaConf.to_yaml(config), encoding="utf-8")
        words = without_secrets_inside(list(spec.words))
        (Path(folder) / OVERRIDES).write_text(yaml.safe_dump(words), encoding="utf-8")
        if replaced:
            text = "".join(f"{line}\n" for line in replaced)
            (Path(folder) / SURGERY).write_text(text, encoding="utf-8")
        logger.log_folder(folder)
