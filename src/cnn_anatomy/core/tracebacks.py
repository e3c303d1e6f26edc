"""Tracebacks and other last words of a command, without secrets."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.uris import without_secrets


def traceback_text(error: BaseException) -> str:
    """Return an error's traceback; messages of MLflow's and of drivers quote whole addresses."""
    return without_secrets("".join(traceback.format_exception(error)))


def print_traceback(error: BaseException) -> None:
    """Print an error's traceback to standard error."""
    print(traceback_text(error), end="", file=sys.stderr, flush=True)


@contextmanager
def reported_errors() -> Iterator[None]:
    """End this process if the block fails.

    A ConfigError is printed as a sentence, with exit status 2; any other error is a bug and is
    printed with its traceback, with exit status 1.
    """
    try:
        yield
    except ConfigError as error:
        print(error, file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:
        print_traceback(error)
        raise SystemExit(1) from None
