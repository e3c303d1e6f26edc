"""The command `python -m cnn_anatomy.tracking` delivers what waits for a lost server."""

from __future__ import annotations

from mlflow import MlflowClient

from cnn_anatomy.core.paths import cache, tracking_uri
from cnn_anatomy.core.streams import prepare_streams
from cnn_anatomy.core.tracebacks import reported_errors
from cnn_anatomy.core.uris import without_secrets
from cnn_anatomy.tracking.journal import sync
from cnn_anatomy.tracking.store_check import check_store


def main() -> None:
    """Deliver all journals and print how many; exit status 1 if some still wait, 2 if refused."""
    prepare_streams()
    uri = tracking_uri()
    with reported_errors():
        check_store(uri)
        delivered, waiting = sync(MlflowClient(uri), cache() / "journal")
    print(f"{len(delivered)} runs delivered to {without_secrets(uri)}, {len(waiting)} wait")
    raise SystemExit(1 if waiting else 0)


if __name__ == "__main__":
    main()
