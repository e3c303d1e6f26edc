"""Which axes reach a network: those whose part its configuration hands to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cnn_anatomy.config.options import PLACED, default_option, written
from cnn_anatomy.config.signatures import signature
from cnn_anatomy.core.errors import ConfigError

# The class or function at which an axis must be left that does not reach the network.
NEUTRAL = {
    "block": "no_block",
    "pooling": "Unpooled",
    "skip": "Plain",
    "norm": "Batch",
    "activation": "ReLU",
    "conv": "full",
    "attention": "NoAttention",
    "residual": "Unscaled",
    "head": "GlobalAverage",
    "init": "default",
    "inception": "Modules",
}


def reaches(axis: str, settings: Mapping[str, Any]) -> bool:
    """Return whether `model` of the resolved, plain `settings` has the part that `axis` chooses."""
    parts = {key: part for key, part in settings["model"].items() if key != "surgery"}
    return axis not in NEUTRAL or any(settings[axis] == node for node in _nodes(parts))


def refuse_unreached(settings: Mapping[str, Any]) -> None:
    """Refuse parts that are set in vain, as the network brings its own.

    Raises:
        ConfigError: with the first axis of the resolved, plain `settings` that is.
    """
    _refuse_surgery(settings)
    ours = str(settings["model"]["_target_"]).startswith("cnn_anatomy.")
    for axis in NEUTRAL:
        if reaches(axis, settings):
            continue
        # A user's own option of `model` need not set the axes that it doesn't use.
        if not ours and settings[axis] == written(axis, default_option(axis)):
            continue
        replaced = "surgery" in settings["model"] and axis in PLACED.values()
        instead = f"surgery.{axis}=… replaces some" if replaced else "leave it out"
        for key, value in _changes(axis, settings[axis]):
            raise ConfigError(
                f"{key}={value} has no meaning for this model, which brings its own parts: "
                f"{instead}"
            )


def _refuse_surgery(settings: Mapping[str, Any]) -> None:
    """Refuse parts that are to be put into a network whose configuration takes none."""
    if "surgery" in settings["model"]:
        return
    for key, axis in PLACED.items():
        part = settings["surgery"].get(axis)
        if part is not None:
            instead = (
                f"whose parts are axes: set {axis}=…"
                if reaches(axis, settings)
                else "which takes none: leave it out"
            )
            name = str(part["_target_"]).rpartition(".")[2]
            raise ConfigError(f"{key}={name} has no meaning for this model, {instead}")


def _changes(axis: str, part: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield (key, value) of what a part has other than the neutral one."""
    target = str(part["_target_"])
    name = target.rpartition(".")[2]
    if name != NEUTRAL[axis]:
        yield axis, name
    called = signature(target)
    defaults = called.defaults if called else {}
    neutral = written(axis, "none") or {}
    for key, value in part.items():
        if not key.startswith("_") and value not in (defaults.get(key, ...), neutral.get(key, ...)):
            yield f"{axis}.{key}", value


def _nodes(node: Any) -> Iterator[Any]:
    """Yield every mapping below a plain configuration."""
    for value in (
        node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    ):
        if isinstance(value, dict):
            yield value
        yield from _nodes(value)
