"""What `--help` prints: the command's forms, and the options of every axis."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from cnn_anatomy.config.options import option_names
from cnn_anatomy.core.paths import CONF

FORMS = """\
cnn-anatomy [OVERRIDES]                          train one run
cnn-anatomy --multirun study=NAME [OVERRIDES]    sweep a study, or the FILE.yaml of one of yours
cnn-anatomy --multirun AXIS=a,b [OVERRIDES]      sweep what is listed
cnn-anatomy evaluate CHECKPOINT [OVERRIDES]      measure without training; also runs:/ID
cnn-anatomy new study|pooling|data NAME          write the first files of one of your own

An override is AXIS=OPTION (pooling=blur_max) or KEY=VALUE (model.depth=56). Further words:
hydra.sweeper.plan=true shows what a sweep would train; --config-dir=FOLDER adds your own options;
--cfg job prints the configuration, every key with its value; --hydra-help lists Hydra's words.

Axes:
"""
WIDTH = 100  # characters


def command_help() -> str:
    """Return the text of `--help`."""
    groups = sorted(f.name for f in CONF.iterdir() if f.is_dir() and f.name != "hydra")
    options = {group: option_names(group) for group in groups}
    return FORMS + "\n".join(_line(a, names) for a, names in options.items() if len(names) > 1)


def _line(axis: str, options: Sequence[str]) -> str:
    """Return an axis and its options, indented below the first."""
    first, further = f"  {axis:<13}", " " * 15
    return textwrap.fill(", ".join(options), WIDTH, initial_indent=first, subsequent_indent=further)
