"""Which keys a part of the configuration takes, and the annotation of each."""

from __future__ import annotations

import ast
from collections.abc import Iterable

from cnn_anatomy.config.limits import NARROWED, PathKeys, TrackingKeys
from cnn_anatomy.config.signatures import Signature, signature


def _name(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


# What a part without `_target_` is passed to.
CALLED = {
    "trainer": "lightning.pytorch.trainer.trainer.Trainer",
    "tracking": _name(TrackingKeys),
    "paths": _name(PathKeys),
}
# What targets pass their further keywords to, where their source does not show it.
FORWARDED = {
    "cnn_anatomy.networks.auxiliary.Auxiliary": "cnn_anatomy.networks.auxiliary.AuxiliaryHead",
    "cnn_anatomy.networks.backbones.backbone": "cnn_anatomy.networks.network.compose",
}
# Keys that the code sets itself, which a configuration can't.
SUPPLIED = {
    "trainer": {
        *("logger", "callbacks", "enable_progress_bar", "enable_model_summary"),
        *("log_every_n_steps", "num_sanity_val_steps", "sync_batchnorm", "use_distributed_sampler"),
        *("default_root_dir", "enable_checkpointing", "plugins"),
    },
    "scheduler": {"epochs", "steps_per_epoch", "last_epoch"},
}


def target_signature(target: str) -> Signature | None:
    """Return the signature of `target`, including the keywords that it passes on.

    None where the source does not show all of them; then its keys are not checked.
    """
    declared = signature(target)
    if declared is None or not declared.further:
        return declared
    further = signature(FORWARDED[target]) if target in FORWARDED else declared.receiver
    return declared.extended(further) if further else None


def key_kind(part: str, key: str, called: Signature | None) -> ast.expr | None:
    """Return the annotation of `key` in a part that is passed to what `called` describes."""
    narrowed = signature(_name(NARROWED[part])) if part in NARROWED else None
    if narrowed and key in narrowed.parameters:
        return narrowed.kind(key)
    return called.kind(key) if called else None


def settable(part: str, called: Signature, written: Iterable[str]) -> list[str]:
    """Return the keys that may be set: the optional ones, and those `written` in the file."""
    allowed = (called.optional | {*written}) - SUPPLIED.get(part, set())
    return [key for key in called.parameters if key in allowed]
