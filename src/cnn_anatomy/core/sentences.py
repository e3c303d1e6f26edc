"""The one sentence that reports an error."""

from __future__ import annotations

import re

from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

from cnn_anatomy.core.errors import ConfigError, RunFailed, did_you_mean
from cnn_anatomy.core.uris import without_secrets

# What the user's words can raise while they are composed to a configuration and checked. Raised
# anywhere else, an error of Hydra's or OmegaConf's is a bug.
COMPOSITION_ERRORS = (ConfigError, HydraException, OmegaConfBaseException)


def sentence(error: BaseException) -> str:
    """Return an error in one line, or in a line for each mistake if a ConfigError names several.

    Mistakes in the configuration read as plain sentences; any other error begins with its type.
    Addresses are shown without user names and passwords.
    """
    return without_secrets(_sentence(error))


def _sentence(error: BaseException) -> str:
    if isinstance(error, ConfigError | RunFailed):
        return str(error)
    if not isinstance(error, COMPOSITION_ERRORS):
        return f"{type(error).__name__}: {_one_line(error)}"
    return _absent_option(error) or _absent_key(error.__cause__ or error) or _message(error)


def _absent_option(error: BaseException) -> str | None:
    """Describe Hydra's MissingConfigException by the options that its group has."""
    options = getattr(error, "options", None)
    missing = getattr(error, "missing_cfg_file", None)
    if not options or not missing:
        return None
    group, _, name = str(missing).rpartition("/")
    return f"{group}={name} is none of {', '.join(sorted(options))}{did_you_mean(name, options)}"


def _absent_key(error: BaseException) -> str | None:
    """Describe OmegaConf's error of an absent key by the keys beside which it was sought."""
    key, siblings = getattr(error, "full_key", None), getattr(error, "parent_node", None)
    if not isinstance(error, AttributeError | KeyError) or not key or siblings is None:
        return None
    names = sorted(str(name) for name in siblings if not str(name).startswith("_"))
    where, _, last = str(key).rpartition(".")
    listed = ", ".join(name for name in names if name != "hydra") or "no key"
    return f"{key} is no key: {where or 'the top level'} takes {listed}{did_you_mean(last, names)}"


def _message(error: BaseException) -> str:
    text = _one_line(error)
    if error.__cause__ is not None and text.startswith("Error merging override"):
        text += ": " + _one_line(error.__cause__)
    return re.sub(
        r" (full_key: \S+ object_type=\S+|See https://hydra\.cc\S+ for details)", "", text
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split())
