"""Whether the tracking server is there, told without importing MLflow."""

from __future__ import annotations

import os
import time

from cnn_anatomy.errors import ConfigError


def answers(uri: str) -> bool:
    """Return whether the tracking server of `uri` answers within 8 s; a file always does.

    A server whose database is lost has a page to say that it is well, so it is asked for runs'
    experiments, with user, password and certificates as MLflow's client has them.
    """
    if not uri.startswith(("http://", "https://")):
        return True
    import requests

    insecure = os.environ.get("MLFLOW_TRACKING_INSECURE_TLS", "").lower() in ("true", "1")
    try:
        answer = requests.get(
            f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1",
            timeout=8,
            verify=os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH") or not insecure,
            cert=os.environ.get("MLFLOW_TRACKING_CLIENT_CERT_PATH"),
        )
    except (requests.RequestException, OSError):  # the latter: a certificate is not there
        return False
    return answer.status_code < 500  # it may ask for a password, which MLflow's client has


def require_server(uri: str) -> None:
    """Refuse a tracking server that does not answer.

    Raises:
        ConfigError: if it does not.
    """
    if not answers(uri):
        raise ConfigError(
            f"MLFLOW_TRACKING_URI={uri} does not answer: start that server, or unset the variable "
            "to log to mlflow.db"
        )


def await_server(uri: str, patience: float = 600.0) -> None:
    """Wait up to `patience` seconds for a server that was lost: a run needs its id to begin.

    Raises:
        ConnectionError: if it is still lost then.
    """
    if uri.startswith("http"):  # a journal keeps what fails, so MLflow need not retry for minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    end = time.monotonic() + patience
    while not answers(uri):
        if time.monotonic() > end:
            raise ConnectionError(f"{uri} has not answered for {patience:.0f} s")
        time.sleep(2)
