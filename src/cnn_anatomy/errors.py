"""What a user's mistake is raised as, and the one sentence that it gets."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class ConfigError(ValueError):
    """A setting that can't work: its message is one sentence naming key, value and choices."""


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ` (did you mean …?)` with the nearest of `choices`, or nothing."""
    near = get_close_matches(word, list(choices), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def sentence(error: BaseException) -> str:
    """Return what a person should read of an error of Hydra's, OmegaConf's or our own."""
    options = getattr(error, "options", None)
    missing = getattr(error, "missing_cfg_file", None)
    if options and missing:  # Hydra's MissingConfigException
        group, _, name = str(missing).rpartition("/")
        known = ", ".join(sorted(options))
        return f"{group}={name} is none of {known}{did_you_mean(name, options)}"
    if isinstance(error.__cause__, ConfigError):
        error = error.__cause__
    return " ".join(str(error).split())
