"""Errors that are the user's to mend."""

from __future__ import annotations

import traceback
from collections.abc import Iterable
from difflib import get_close_matches

from cnn_anatomy.core.uris import without_secrets


class ConfigError(ValueError):
    """A setting that can't work; its message is one sentence with the key, value and choices.

    It shows addresses without user names and passwords.
    """

    def __init__(self, message: str) -> None:
        super().__init__(without_secrets(message))


class RunFailed(Exception):  # noqa: N818
    """Ends one run of a sweep; its message is the reason that the sweep prints.

    It stands in for the original error, which another process may be unable to unpickle, and shows
    addresses without user names and passwords.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(without_secrets(reason))


def did_you_mean(word: str, choices: Iterable[str]) -> str:
    """Return ` (did you mean …?)` with the nearest of `choices`, or an empty string."""
    near = get_close_matches(word, list(choices), 1)
    return f" (did you mean {near[0]}?)" if near else ""


def packages(error: BaseException) -> list[str]:
    """Return the top-level package of each frame of an error's traceback, the innermost last.

    Frames of the import system are left out.
    """
    frames = traceback.walk_tb(error.__traceback__)
    names = [str(frame.f_globals.get("__name__")).partition(".")[0] for frame, _ in frames]
    return [name for name in names if name != "importlib"]
