"""Addresses as they may be shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar
from urllib.parse import unquote, urlsplit

# After user:, a password reaches to the last @ before a space: it may hold / and @, as people who
# do not know that these must be percent-encoded write them.
CREDENTIALS = re.compile(r"(?<=://)(?:[^/?#\s:@]*:\S*|[^/?#\s]*)@")
# Passwords that drivers take as options: ?password=…, &sslpassword=…
SECRET_OPTIONS = re.compile(r"([?&;](?:\w*password|pwd|passwd|token|secret\w*)=)[^&;\s]*", re.I)
MASK = "***"
RUN = "runs:/"  # begins MLflow's address of a run
T = TypeVar("T")


def without_secrets(text: str) -> str:
    """Return `text`, an address or a sentence that holds some, without user names and passwords.

    >>> without_secrets("postgresql://me:hush@db/x?sslpassword=hush")
    'postgresql://***@db/x?sslpassword=***'
    """
    return SECRET_OPTIONS.sub(rf"\1{MASK}", CREDENTIALS.sub(f"{MASK}@", text))


def local_path(uri: str) -> Path | None:
    """Return the path of a file on this machine, None for an address elsewhere.

    >>> local_path("file:///my%20runs"), local_path("mlflow-artifacts:/1")
    (PosixPath('/my runs'), None)
    """
    scheme = urlsplit(uri).scheme
    if scheme == "file":
        return Path(unquote(urlsplit(uri).path))
    return None if scheme else Path(uri)


def without_secrets_inside(value: T) -> T:
    """Return mappings and lists, however nested, with every text in them `without_secrets`."""
    shown: object = value
    if isinstance(value, str):
        shown = without_secrets(value)
    elif isinstance(value, Mapping):
        shown = {key: without_secrets_inside(item) for key, item in value.items()}
    elif isinstance(value, Sequence):
        shown = [without_secrets_inside(item) for item in value]
    return shown  # type: ignore[return-value]
