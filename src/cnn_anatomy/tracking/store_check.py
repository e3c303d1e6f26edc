"""Whether a store can be used, said in a sentence before anything is trained."""

from __future__ import annotations

from collections.abc import Sequence

from cnn_anatomy.tracking.addresses import check_address
from cnn_anatomy.tracking.databases import check_database, check_sqlite
from cnn_anatomy.tracking.server import check_server

CHECKS = {"http": check_server, "https": check_server, "sqlite": check_sqlite}


def check_store(uri: str, studies: Sequence[str] = ()) -> None:
    """Check the store at `uri` without importing MLflow.

    Args:
        uri: the store.
        studies: the experiments that are to be used; they may not exist yet.

    Raises:
        ConfigError: if it can't be used, or if one of the experiments was deleted.
    """
    check_address(uri)
    CHECKS.get(uri.partition("://")[0], check_database)(uri, studies)
