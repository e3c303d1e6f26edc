"""The overrides of a run, saved beside its weights: an evaluation of these begins with them."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import yaml

OVERRIDES = "overrides.yaml"  # which a run keeps beside its weights; Hydra's name and format
TRAINING = {"freeze", "transfer", "optimizer", "scheduler", "trainer"}  # unused in an evaluation
# Keys that an evaluation does not take over: they say how a run was trained, measured or recorded.
NOT_INHERITED = TRAINING | {
    *("callbacks", "compile", "probes", "study", "setting", "variant", "tracking", "paths"),
    *("hydra", "evaluate"),
}


def saved_words(folder: Path) -> list[str]:
    """Return the overrides that a run of ours saved in `folder`, none if it saved none."""
    try:
        content = yaml.safe_load((folder / OVERRIDES).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):
        return []
    return [str(word) for word in content] if isinstance(content, list) else []


def inherited_words(saved: Iterable[str], given: Iterable[str]) -> list[str]:
    """Return those of a run's overrides with which an evaluation of its weights begins, as typed.

    Left out are those that an evaluation does not use, and those that a given override replaces:
    of the same key, or of a key in the group whose option is given.

    >>> inherited_words(["model.depth=20", "skip=none", "optimizer.lr=1"], ["model.depth=8"])
    ['skip=none']
    """
    replaced = [_key(word) for word in given]
    return [
        word.lstrip("+")  # which Hydra's composition of a run has added
        for word in saved
        if _key(word).partition(".")[0] not in NOT_INHERITED
        and not any(f"{_key(word)}.".startswith(f"{key}.") for key in replaced)
    ]


def _key(word: str) -> str:
    """Return the key that an override sets, as in `++model.depth=8` or `pooling@model.pooling=max`.

    An option's group may stand elsewhere: the key is then where it stands.
    """
    return word.partition("=")[0].lstrip("+~").rpartition("@")[2]
