"""Which keys a part of the configuration takes, and the annotation of each."""

from __future__ import annotations

import ast
from collections.abc import Collection
from functools import cache
from typing import Any

from cnn_anatomy.config.limits import NARROWED, PathKeys, TrackingKeys
from cnn_anatomy.config.options import written_parts
from cnn_anatomy.config.signatures import UNKNOWN, Signature, signature


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
    "cnn_anatomy.data.torchvision_sets.TorchvisionDataset": "cnn_anatomy.data.own.OwnDataset",
    "cnn_anatomy.networks.auxiliary.Auxiliary": "cnn_anatomy.networks.auxiliary.AuxiliaryHead",
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
# Keys of a library that have no place here, and why.
REFUSED = {
    "trainer": {
        "max_time": "a run would end where its machine's speed has it: give trainer.max_epochs or "
        "trainer.max_steps",
        "barebones": "it leaves out the callbacks and metrics that make a run's record",
        "overfit_batches": "weights would be selected on training images: give data.train_limit",
        "min_epochs": "no run ends before trainer.max_epochs or trainer.max_steps",
        "min_steps": "no run ends before trainer.max_epochs or trainer.max_steps",
        "profiler": "its report is kept nowhere: make bench times a run",
        "reload_dataloaders_every_n_epochs": "every epoch has an order of its own as it is",
        "limit_predict_batches": "a run predicts nothing: give trainer.limit_test_batches",
        "model_registry": "the weights are the run's artifact weights.pt",
        "enable_autolog_hparams": "the parameters are those of the configuration",
    },
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


def with_defaults(node: Any) -> Any:
    """Return a plain configuration with the constants that its classes take for absent keys."""
    if isinstance(node, list):
        return [with_defaults(element) for element in node]
    if not isinstance(node, dict):
        return node
    called = target_signature(str(node["_target_"])) if "_target_" in node else None
    defaults = called.defaults.items() if called else ()
    given = {key: with_defaults(value) for key, value in node.items()}
    return {**{key: value for key, value in defaults if value is not UNKNOWN}, **given}


def settable(part: str, called: Signature, written: Collection[str]) -> list[str]:
    """Return the keys that may be set: those that the code does not give.

    What is `written` in the option's file at this place, the code does not give.
    """
    refused = REFUSED.get(part, {}).keys()
    given = SUPPLIED.get(part, set()) | refused | ((left_out(part) or set()) - set(written))
    return [key for key in called.parameters if key not in given]


def required(part: str, called: Signature, written: Collection[str]) -> list[str]:
    """Return the keys that a configuration must set, none where conf/ has no such part."""
    given = left_out(part)
    names = [] if given is None else settable(part, called, written)
    return [name for name in names if name not in called.optional]


@cache
def left_out(part: str) -> set[str] | None:
    """Return the required parameters that the options of conf/ leave to the code in a part.

    None where conf/ has no class there: then it is not known what the code gives.
    """
    options = written_parts(part)
    called = [(target_signature(str(option["_target_"])), option) for option in options]
    known = [(set(s.parameters) - s.optional, option) for s, option in called if s]
    names = {name for needed, option in known for name in needed if name not in option}
    return names if known else None
