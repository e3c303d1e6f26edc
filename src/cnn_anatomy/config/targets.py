"""What a part of the configuration is called with, and which of its keys may be set."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from cnn_anatomy.config.limits import NARROWED, PathKeys, TrackingKeys
from cnn_anatomy.config.signatures import Signature, signature


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


# What a part without `_target_` is called with.
CALLED = {
    "trainer": "lightning.pytorch.trainer.trainer.Trainer",
    "tracking": _name(TrackingKeys),
    "paths": _name(PathKeys),
}
# What gets a target's further keywords, where the target's source does not show it.
FORWARDED = {
    "cnn_anatomy.networks.auxiliary.Auxiliary": "cnn_anatomy.networks.auxiliary.AuxiliaryHead",
    "cnn_anatomy.networks.backbones.backbone": "cnn_anatomy.networks.network.compose",
}
# Keys that the code sets itself, so that the configuration can't.
SUPPLIED = {
    "trainer": {
        *("logger", "callbacks", "enable_progress_bar", "enable_model_summary"),
        *("log_every_n_steps", "num_sanity_val_steps", "sync_batchnorm", "use_distributed_sampler"),
        *("default_root_dir", "enable_checkpointing", "plugins"),
    },
    "scheduler": {"epochs", "steps_per_epoch", "last_epoch"},
}


def target_signature(target: str) -> Signature | None:
    """Return what `target` is called with, the keywords that it hands on included.

    None where its source does not show all of it: then its keys are not checked.
    """
    declared = signature(target)
    if declared is None or not declared.further:
        return declared
    further = signature(FORWARDED[target]) if target in FORWARDED else declared.target
    return declared.extended(further) if further else None


def key_kind(part: str, key: str, called: Signature | None) -> ast.expr | None:
    """Return the annotation of a part's `key`; `called` is the signature of what it builds."""
    narrowed = signature(_name(NARROWED[part])) if part in NARROWED else None
    if narrowed and key in narrowed.parameters:
        return narrowed.kind(key)
    return called.kind(key) if called else None


def settable(part: str, called: Signature, written: Iterable[str]) -> list[str]:
    """Return the keys that may be set: those with a default, and those `written` in the file."""
    allowed = (called.optional | {*written}) - SUPPLIED.get(part, set())
    return [key for key in called.parameters if key in allowed]
