"""The command: python -m cnn_anatomy.tracking delivers what a lost server did not take."""

from __future__ import annotations

from mlflow import MlflowClient

from cnn_anatomy.paths import cache, tracking_uri
from cnn_anatomy.tracking.journal import sync


def main() -> None:
    """Deliver, and say how much; exit status 1 if something waits still."""
    uri = tracking_uri()
    delivered, waiting = sync(MlflowClient(uri), cache() / "journal")
    print(f"{len(delivered)} runs delivered to {uri}, {len(waiting)} wait")
    raise SystemExit(1 if waiting else 0)


if __name__ == "__main__":
    main()
