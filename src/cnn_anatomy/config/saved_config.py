"""The configuration saved beside weights: does it have the same network and images as a run?

A state dict shows only parts with weights. Another activation, pooling or parameterless skip fits
it as well, and computes something else.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from cnn_anatomy.core.errors import ConfigError

CONFIG = "config.yaml"  # which a run keeps beside its weights
# Parts that a transfer may change: those of the task, and the random weights before it.
FREE = {"head", "auxiliary", "init", "weights"}
# Parts that an evaluation may change, as it uses none of them.
UNEVALUATED = {"auxiliary", "init", "weights"}
# Settings of the data that no evaluation depends on. It does on `train_limit`: the channels are
# normalised by the statistics of the training images.
TRAINING_ONLY = {"batch_size", "eval_batch_size", "augment", "seed"}


def saved_config(folder: Path) -> Mapping[str, Any] | None:
    """Return the resolved configuration that a run of ours saved in `folder`.

    None if there is no such file, or it is not ours.
    """
    try:
        content = yaml.safe_load((folder / CONFIG).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return None
    model = content.get("model") if isinstance(content, dict) else None
    ours = isinstance(model, dict) and str(model.get("_target_")).startswith("cnn_anatomy.")
    return content if ours else None


def require_same_network(
    saved: Mapping[str, Any],
    asked: Mapping[str, Any],
    setting: str,
    free: Collection[str] = FREE,
) -> None:
    """Compare the models of two resolved configurations, but for the `free` parts.

    `setting` names the saved one in a refusal. Keys that only one of them has are left out: they
    are younger than the other configuration.

    Raises:
        ConfigError: with the first key that differs and both values.
    """
    for key, theirs, ours in _differences(saved["model"], asked["model"], "", free):
        raise ConfigError(
            f"{setting} holds the weights of another network: {key} is {theirs} in "
            f"the {CONFIG} beside them and {ours} here"
        )


def data_changes(saved: Mapping[str, Any], asked: Mapping[str, Any]) -> list[str]:
    """Return what differs between the images of two resolved configurations."""
    return [
        f"{key} {theirs} → {ours}"
        for key, theirs, ours in _differences(saved["data"], asked["data"], "data", TRAINING_ONLY)
        if not key.endswith(".cache")
    ]


def _differences(
    saved: Mapping[str, Any], asked: Mapping[str, Any], prefix: str, free: Collection[str] = ()
) -> Iterator[tuple[str, Any, Any]]:
    """Yield (key as on the command line, saved value, asked value) of every value that differs.

    A part of the model is an axis, whose name has no prefix.
    """
    for key in saved:
        if key not in asked or key in free:
            continue
        theirs, ours = saved[key], asked[key]
        if isinstance(theirs, dict) and isinstance(ours, dict):
            yield from _differences(theirs, ours, f"{prefix}.{key}".lstrip("."))
        elif key == "_target_":
            theirs, ours = (str(value).rpartition(".")[2] for value in (theirs, ours))
            if theirs != ours:
                yield prefix or "model", theirs, ours
        elif theirs != ours:
            yield f"{prefix or 'model'}.{key}", theirs, ours
