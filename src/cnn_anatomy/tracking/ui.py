"""The command `python -m cnn_anatomy.tracking.ui ADDRESS` prints a link to each study's view."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from mlflow import MlflowClient

from cnn_anatomy.core.paths import tracking_uri
from cnn_anatomy.core.streams import prepare_streams
from cnn_anatomy.core.tracebacks import reported_errors
from cnn_anatomy.core.uris import without_secrets
from cnn_anatomy.tracking.store import is_empty
from cnn_anatomy.tracking.store_check import check_store
from cnn_anatomy.tracking.views import TAG, view_address

OPENED = "curves"  # the view that a link opens; the UI's menu has the others


def study_links(client: MlflowClient, server: str) -> Iterator[tuple[str, str]]:
    """Yield each study that has views, with the address of one of them on `server`."""
    for experiment in client.search_experiments(order_by=["name"]):
        if f"{TAG}{OPENED}" in experiment.tags:
            yield (
                experiment.name,
                view_address(server, experiment.experiment_id, OPENED, charts=True),
            )


def shown_server(uri: str, address: str) -> str:
    """Return the server of the store `uri`, without secrets; for a database, `address`."""
    return (without_secrets(uri) if uri.startswith("http") else address).rstrip("/")


def main() -> None:
    """Print the links; a store on a server is shown at the server's own address."""
    prepare_streams()
    uri = tracking_uri()
    server = shown_server(uri, sys.argv[1])
    with reported_errors():
        check_store(uri)
        if not is_empty(uri):
            for study, link in study_links(MlflowClient(uri), server):
                print(f"{study}: {link}")


if __name__ == "__main__":
    main()
