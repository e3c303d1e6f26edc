"""Whether the tracking server is there, told without importing MLflow."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable

from cnn_anatomy.core.errors import ConfigError

INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"
CERTIFICATE = "MLFLOW_TRACKING_SERVER_CERT_PATH"
CLIENT = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
STORES = r"(https?|(sqlite|postgresql|mysql|mssql)(\+\w+)?)://"  # that MLflow keeps runs in


def answers(uri: str) -> bool:
    """Return whether the tracking server of `uri` answers within 8 s; a file always does."""
    try:
        return _is_well(uri)
    except OSError:  # requests' own errors are of this class
        return False


def require_server(uri: str) -> None:
    """Refuse what is no store, and a server that does not answer or whose certificate fails.

    Raises:
        ConfigError: if it is one of these.
    """
    if not re.match(STORES, uri):
        near = f" (did you mean http://{uri}?)" if re.fullmatch(r"[\w.-]+:\d+/?", uri) else ""
        raise ConfigError(
            f"MLFLOW_TRACKING_URI={uri} is no store: give http://HOST:PORT, https://…, "
            f"sqlite:///FILE or postgresql://…{near}"
        )
    if not uri.startswith("http"):
        return
    import requests

    if all(os.environ.get(name) for name in (INSECURE, CERTIFICATE)):
        raise ConfigError(f"{INSECURE} and {CERTIFICATE} are both set: MLflow takes only one")
    try:
        well = _is_well(uri)
    except requests.exceptions.SSLError as error:
        raise ConfigError(
            f"MLFLOW_TRACKING_URI={uri} has a certificate that does not hold: name it or its "
            f"authority's in {CERTIFICATE}, or set {INSECURE}=true ({error})"
        ) from error
    except requests.RequestException:
        well = False
    except OSError as error:  # a file that requests does not find
        raise ConfigError(f"{CERTIFICATE} or {CLIENT}: {error}") from error
    if not well:
        raise ConfigError(
            f"MLFLOW_TRACKING_URI={uri} does not answer: start that server, or unset the variable "
            "to log to mlflow.db"
        )


def _is_well(uri: str) -> bool:
    """Ask the server of `uri`, if it is one, as MLflow's client would.

    A server whose database is lost has a page to say that it is well, so it is asked for runs'
    experiments.
    """
    if not uri.startswith(("http://", "https://")):
        return True
    import requests

    insecure = os.environ.get(INSECURE, "").lower() in ("true", "1")
    answer = requests.get(
        f"{uri.rstrip('/')}/api/2.0/mlflow/experiments/search?max_results=1",
        timeout=8,
        verify=os.environ.get(CERTIFICATE) or not insecure,
        cert=os.environ.get(CLIENT),
    )
    return answer.status_code < 500  # it may ask for a password, which MLflow's client has


def await_server(
    uri: str, patience: float = 600.0, given_up: Callable[[], bool] = lambda: False
) -> None:
    """Wait up to `patience` seconds for a server that was lost: a run needs its id to begin.

    Raises:
        ConnectionError: if it is still lost then, or when it is `given_up`.
    """
    if uri.startswith("http"):  # a journal keeps what fails, so MLflow need not retry for minutes
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "1")
        os.environ.setdefault("MLFLOW_HTTP_REQUEST_TIMEOUT", "10")
    end = time.monotonic() + patience
    while not answers(uri):
        if given_up() or time.monotonic() > end:
            raise ConnectionError(f"{uri} does not answer")
        time.sleep(2)
