"""The MLflow UI of the store: `python -m tools.ui OPTIONS…`, which are those of `mlflow ui`.

The store's address goes to MLflow in the environment, as every user can list command lines.
"""

from __future__ import annotations

import os
import sys

from cnn_anatomy.core.paths import tracking_uri
from cnn_anatomy.core.tracebacks import reported_errors
from cnn_anatomy.core.uris import without_secrets
from cnn_anatomy.tracking.store_check import check_store


def main() -> None:
    """Become MLflow's server on the store, unless the store is a server itself."""
    uri = tracking_uri()
    with reported_errors():
        check_store(uri)
    if uri.startswith("http"):
        print(f"{without_secrets(uri)} has its own UI: open it there")
        return
    os.environ["MLFLOW_BACKEND_STORE_URI"] = uri
    os.execv(sys.executable, [sys.executable, "-m", "mlflow", "ui", *sys.argv[1:]])


if __name__ == "__main__":
    main()
