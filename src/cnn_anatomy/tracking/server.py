"""Whether the tracking server answers, asked without importing MLflow."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.uris import without_secrets

if TYPE_CHECKING:
    import requests

# MLflow's own environment variables.
INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"
SERVER_CERTIFICATE = "MLFLOW_TRACKING_SERVER_CERT_PATH"
CLIENT_CERTIFICATE = "MLFLOW_TRACKING_CLIENT_CERT_PATH"

STORE_ADDRESS = r"(https?|(sqlite|postgresql|mysql|mssql)(\+\w+)?)://"  # of MLflow's stores
ANSWER_TIMEOUT_SECONDS = 8
RETRY_SECONDS = 2.0


def server_answers(uri: str) -> bool:
    """Return whether the tracking server at `uri` answers in time; a database always does."""
    try:
        return _is_healthy(uri)
    except OSError:  # the base class of all errors of requests
        return False


def require_server(uri: str) -> None:
    """Refuse an address that is no store, and a server that does not answer or can't be trusted.

    Raises:
        ConfigError: in each of these cases.
    """
    shown = without_secrets(uri)
    if not re.match(STORE_ADDRESS, uri):
        near = f" (did you mean http://{uri}?)" if re.fullmatch(r"[\w.-]+:\d+/?", uri) else ""
        raise ConfigError(
            f"MLFLOW_TRACKING_URI={shown} is no store: give http://HOST:PORT, https://…, "
            f"sqlite:///FILE or postgresql://…{near}"
        )
    if not uri.startswith("http"):
        return
    import requests

    if all(os.environ.get(name) for name in (INSECURE, SERVER_CERTIFICATE)):
        raise ConfigError(
            f"{INSECURE} and {SERVER_CERTIFICATE} are both set: MLflow accepts only one"
        )
    try:
        healthy = _is_healthy(uri)
    except requests.exceptions.SSLError as error:
        raise ConfigError(
            f"MLFLOW_TRACKING_URI={shown} has a certificate that can't be verified: give its file, "
            f"or its authority's, as {SERVER_CERTIFICATE}, or set {INSECURE}=true ({error})"
        ) from error
    except requests.RequestException:
        healthy = False
    except OSError as error:  # requests can't read a certificate's file
        raise ConfigError(f"{SERVER_CERTIFICATE} or {CLIENT_CERTIFICATE}: {error}") from error
    if not healthy:
        raise ConfigError(
            f"MLFLOW_TRACKING_URI={shown} does not answer: start that server, or unset the "
            "variable to log to mlflow.db"
        )


def server_version(uri: str) -> str | None:
    """Return MLflow's version on the server at `uri`; None for a database or without an answer."""
    if not uri.startswith("http"):
        return None
    try:
        answer = _get(uri, "version")
    except OSError:
        return None
    return answer.text.strip() if answer.ok else None


def _is_healthy(uri: str) -> bool:
    """Request the experiments from the server at `uri`.

    Its page /health would not do: it answers even when the server has lost its database.
    """
    if not uri.startswith(("http://", "https://")):
        return True
    answer = _get(uri, "api/2.0/mlflow/experiments/search?max_results=1")
    return answer.status_code < 500  # below: it may ask for MLflow's password


def _get(uri: str, page: str) -> requests.Response:
    """Request a page of the server at `uri`, with MLflow's client settings."""
    import requests

    insecure = os.environ.get(INSECURE, "").lower() in ("true", "1")
    return requests.get(
        f"{uri.rstrip('/')}/{page}",
        timeout=ANSWER_TIMEOUT_SECONDS,
        verify=os.environ.get(SERVER_CERTIFICATE) or not insecure,
        cert=os.environ.get(CLIENT_CERTIFICATE),
    )


def await_server(
    uri: str, timeout_seconds: float = 600.0, give_up: Callable[[], bool] = lambda: False
) -> None:
    """Wait for a lost server, until `timeout_seconds` have passed or `give_up` returns True.

    Raises:
        ConnectionError: if the server still does not answer then.
    """
    if uri.startswith("http"):  # the journal keeps failed writes: MLflow need not retry for minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    end = time.monotonic() + timeout_seconds
    while not server_answers(uri):
        if give_up() or time.monotonic() > end:
            raise ConnectionError(f"{without_secrets(uri)} does not answer")
        time.sleep(RETRY_SECONDS)
