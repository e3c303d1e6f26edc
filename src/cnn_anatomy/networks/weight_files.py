"""Files of weights: state dicts in the forms in which people publish them."""

from __future__ import annotations

import argparse
import pathlib
import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.notices import notice

# Keys under which training scripts keep the weights, the likeliest first.
CONTAINERS = (
    *("state_dict", "model_state_dict", "model_state", "model", "net", "network", "weights"),
    *("params", "state_dict_ema", "model_ema", "ema_state_dict", "ema"),
)
# What wrappers put before every name: DataParallel, torch.compile, and modules that hold a network.
PREFIXES = ("module.", "_orig_mod.", "model.", "net.")
COUNTERS = ("n_averaged",)  # of torch.optim.swa_utils.AveragedModel: no weight
# Harmless objects that training scripts store beside the weights.
SAFE: list[Any] = [
    argparse.Namespace,
    pathlib.PosixPath,
    np.dtype,
    np.float64(0).__reduce__()[0],  # what makes a NumPy scalar, and an array, from its bytes
    np.zeros(1).__reduce__()[0],
    np.ndarray,
    *(type(np.dtype(kind)) for kind in "?bBhHiIlLqQefd"),
]
BEGINNINGS = {
    b"version https://git-lfs": "is a pointer of Git LFS, not the file itself: run git lfs pull",
    b"<!doctype html": "is an HTML page: the download got a page instead of the file",
    b"<html": "is an HTML page: the download got a page instead of the file",
}


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """Return the tensors by name that a file holds.

    The file is one of `torch.save` or of safetensors: a state dict, or a training script's
    dictionary that has it under one of `CONTAINERS`. Prefixes that wrappers add to every name are
    dropped.

    Raises:
        ConfigError: if there is no such file, it holds code or no state dict, or a weight is not
            finite.
    """
    path = Path(path)
    _refuse_other_contents(path)
    weights = _state_dict(path, _content(path))
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not tensor.isfinite().all():
            raise ConfigError(f"the checkpoint {path} is damaged: {name} holds NaN or infinity")
    return weights


def _refuse_other_contents(path: Path) -> None:
    """Raise a ConfigError that says what a file is which can't be weights, or that it is absent."""
    try:
        with path.open("rb") as file:
            beginning = file.read(64).lstrip().lower()
    except FileNotFoundError:
        raise ConfigError(f"the checkpoint {path} is not there") from None
    except OSError as error:
        raise ConfigError(f"the checkpoint {path} cannot be read: {error}") from error
    if not beginning:
        raise ConfigError(f"the checkpoint {path} is empty")
    for mark, meaning in BEGINNINGS.items():
        if beginning.startswith(mark):
            raise ConfigError(f"the checkpoint {path} {meaning}")


def _content(path: Path) -> Any:
    """Return what a file holds, on the CPU."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(SAFE):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise ConfigError(
            f"the checkpoint {path} is refused: it holds Python objects besides tensors, which "
            "could run code; save a state dict of it instead"
        ) from None
    except (OSError, RuntimeError, EOFError, ValueError, SafetensorError) as error:
        reason = " ".join(str(error).split())
        raise ConfigError(f"the checkpoint {path} cannot be read: {reason}") from error


def _state_dict(path: Path, content: Any) -> dict[str, Tensor]:
    """Return the tensors in `content`, under a container's key or not, without prefixes."""
    if isinstance(content, Mapping) and not _is_state_dict(content):
        names = [key for key in CONTAINERS if _is_state_dict(content.get(key))]
        if not names:
            raise ConfigError(
                f"the checkpoint {path} holds no state dict: tensors by name, or these under one "
                f"of {', '.join(CONTAINERS)}"
            )
        if len(names) > 1:
            notice(f"{path} holds {', '.join(names)}: {names[0]} is loaded")
        content = content[names[0]]
    if not _is_state_dict(content):
        raise ConfigError(
            f"the checkpoint {path} holds {type(content).__name__}, not a state dict: tensors by "
            "name"
        )
    weights = {key: value for key, value in content.items() if key not in COUNTERS}
    while prefix := _shared_prefix(weights):
        weights = {key.removeprefix(prefix): value for key, value in weights.items()}
    return weights


def _is_state_dict(value: Any) -> bool:
    """Return whether `value` maps names to tensors, one or more."""
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(k, str) and isinstance(v, Tensor) for k, v in value.items())
    )


def _shared_prefix(weights: Mapping[str, Tensor]) -> str:
    """Return the prefix of a wrapper that every name has, or nothing."""
    return next((p for p in PREFIXES if all(key.startswith(p) for key in weights)), "")
