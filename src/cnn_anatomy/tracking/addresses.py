"""Which addresses name a store."""

from __future__ import annotations

import re
from urllib.parse import unquote

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.uris import CREDENTIALS
from cnn_anatomy.tracking.store_sentences import store_key

STORE = re.compile(r"(https?|(sqlite|postgresql|mysql|mssql)(\+\w+)?)://")  # of MLflow's stores
SQLITE = "sqlite:///"
# The @ of HOST/DATABASE?options is none of a password's.
OPTIONS = re.compile(r"[^@/]+/[^@?]*\?")


def check_address(uri: str) -> None:
    """Check the form of a store's address.

    Raises:
        ConfigError: if it is none, or would be read in another way than it is meant.
    """
    if uri.startswith("sqlite"):
        _check_sqlite(uri)
    elif STORE.match(uri):
        _check_characters(uri)
    else:
        near = f" (did you mean http://{uri}?)" if re.fullmatch(r"[\w.-]+:\d+/?", uri) else ""
        raise ConfigError(
            f"{store_key(uri)} is no store: give http://HOST:PORT, https://…, sqlite:///FILE or "
            f"postgresql://…{near}"
        )


def _check_sqlite(uri: str) -> None:
    path = uri.removeprefix(SQLITE)
    if path in (uri, "", ":memory:"):
        raise ConfigError(f"{store_key(uri)} names no file: give sqlite:///FILE")
    if "?" in path:
        _, _, options = path.partition("?")
        raise ConfigError(
            f"{store_key(uri)}: a file's address takes no options, and its path can't hold a "
            f"question mark: leave out ?{options}, or rename the folder"
        )
    if unquote(path) != path:
        raise ConfigError(
            f"{store_key(uri)} would be read as {unquote(path)}: take a path without percent signs"
        )


def _check_characters(uri: str) -> None:
    """Refuse a password with characters at which the address would be cut in two."""
    scheme, _, rest = uri.partition("://")
    if re.search(r"\s", uri):
        raise ConfigError(
            f"the address of the store, {scheme}://…, holds a space: remove it, or write it as %20"
        )
    found = CREDENTIALS.search(uri)
    user_info = found[0][:-1] if found else ""
    if scheme.startswith("http"):
        is_cut = any(character in user_info for character in "/?#@")
    else:
        is_cut = "@" in user_info and not OPTIONS.match(rest.partition("@")[2])
    if is_cut:
        raise ConfigError(
            f"{store_key(uri)}: in a user name or password, write / as %2F, ? as %3F, # as %23, "
            "@ as %40 and % as %25"
        )
