"""What a user's mistake is raised as, and the one sentence that it gets."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches


class ConfigError(ValueError):
    """A setting that can't work: its message is one sentence naming key, value and choices."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ` (did you mean …?)` with the nearest of `choices`, or nothing."""
    near = get_close_matches(word, list(choices), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def sentence(error: BaseException) -> str:
    """Return what a person should read of an error of Hydra's, OmegaConf's or our own.

    It is one sentence, or a line of one for each mistake where ours names several.
    """
    if isinstance(error.__cause__, ConfigError):
        error = error.__cause__
    if isinstance(error, ConfigError):
        return str(error)
    options = getattr(error, "options", None)
    missing = getattr(error, "missing_cfg_file", None)
    if options and missing:  # Hydra's MissingConfigException
        group, _, name = str(missing).rpartition("/")
        known = ", ".join(sorted(options))
        return f"{group}={name} is none of {known}{did_you_mean(name, options)}"
    cause = error.__cause__ or error
    key, siblings = getattr(cause, "full_key", None), getattr(cause, "parent_node", None)
    if isinstance(cause, AttributeError | KeyError) and key and siblings is not None:
        names = sorted(str(name) for name in siblings if not str(name).startswith("_"))
        where, _, last = str(key).rpartition(".")
        known = ", ".join(n for n in names if n != "hydra") or "no key"
        return (
            f"{key} is no key: {where or 'the top level'} takes {known}{did_you_mean(last, names)}"
        )
    text = " ".join(str(error).split())
    if error.__cause__ is not None and text.startswith("Error merging override"):
        text += ": " + " ".join(str(error.__cause__).split())
    return re.sub(
        r" (full_key: \S+ object_type=\S+|See https://hydra\.cc\S+ for details)", "", text
    )
