"""Whether the tracking server answers, asked without importing MLflow."""

from __future__ import annotations

import base64
import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.core.uris import without_secrets
from cnn_anatomy.tracking.store_sentences import deleted_experiment, store_key

if TYPE_CHECKING:
    from requests import Response

# MLflow's own environment variables.
INSECURE = "MLFLOW_TRACKING_INSECURE_TLS"
SERVER_CERTIFICATE = "MLFLOW_TRACKING_SERVER_CERT_PATH"
CLIENT_CERTIFICATE = "MLFLOW_TRACKING_CLIENT_CERT_PATH"
USER, PASSWORD = "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"
TOKEN = "MLFLOW_TRACKING_TOKEN"
OTHER_LOGINS = ("MLFLOW_TRACKING_AUTH", "MLFLOW_TRACKING_AWS_SIGV4")
LOGIN_FILE = Path("~/.mlflow/credentials")

EXPERIMENTS = "api/2.0/mlflow/experiments"
ANSWER_TIMEOUT_SECONDS = 8
RETRY_SECONDS = 2.0


def server_answers(uri: str) -> bool:
    """Return whether the tracking server at `uri` answers in time; a database always does."""
    if not uri.startswith(("http://", "https://")):
        return True
    try:
        return _experiments(uri).status_code < 500  # below: it may ask for MLflow's password
    except OSError:  # the base class of all errors of requests
        return False


def server_version(uri: str) -> str | None:
    """Return MLflow's version on the server at `uri`; None for a database or without an answer."""
    if not uri.startswith("http"):
        return None
    try:
        answer = _get(uri, "version")
    except OSError:
        return None
    return answer.text.strip() if answer.ok else None


def check_server(uri: str, studies: Sequence[str] = ()) -> None:
    """Check that a tracking server answers, can be trusted, is MLflow's and lets us in.

    Args:
        uri: http://… or https://…
        studies: the experiments that are to be used.

    Raises:
        ConfigError: if not, or if one of the experiments was deleted there.
    """
    _check_answer(_answer(uri), store_key(uri))
    for study in studies:
        answer = _get(uri, f"{EXPERIMENTS}/get-by-name", experiment_name=study)
        experiment = (_json(answer) or {}).get("experiment", {})
        if experiment.get("lifecycle_stage") == "deleted":
            raise deleted_experiment(uri, study, experiment["experiment_id"])


def _answer(uri: str) -> Response:
    """Return what the server answers to a request for its experiments."""
    import requests

    key = store_key(uri)
    if all(os.environ.get(name) for name in (INSECURE, SERVER_CERTIFICATE)):
        raise ConfigError(
            f"{INSECURE} and {SERVER_CERTIFICATE} are both set: MLflow accepts only one"
        )
    try:
        return _experiments(uri)
    except requests.exceptions.SSLError as error:
        if "WRONG_VERSION_NUMBER" in str(error) or "RECORD_LAYER_FAILURE" in str(error):
            raise ConfigError(f"{key} does not answer in TLS: give http://…") from error
        raise ConfigError(
            f"{key} has a certificate that can't be verified: give its file, "
            f"or its authority's, as {SERVER_CERTIFICATE}, or set {INSECURE}=true ({error})"
        ) from error
    except requests.RequestException as error:
        raise ConfigError(
            f"{key} does not answer: start that server, or leave the address out to log to "
            "mlflow.db"
        ) from error
    except OSError as error:  # requests can't read a certificate's file
        raise ConfigError(f"{SERVER_CERTIFICATE} or {CLIENT_CERTIFICATE}: {error}") from error


def _check_answer(answer: Response, key: str) -> None:
    """Refuse a server that is not MLflow's, fails, or does not let us in."""
    status = f"{answer.status_code} {answer.reason}"
    if answer.status_code == 200 and _json(answer) is not None:
        return
    if answer.status_code in (401, 403):
        _check_login(answer, key)
    elif answer.status_code >= 500:
        raise ConfigError(f"{key} fails with {status}: see its log")
    else:
        raise ConfigError(
            f"{key} is no MLflow server: to a request for its experiments it answers {status}, "
            f"{answer.headers.get('Content-Type', 'no content')}"
        )


def _check_login(answer: Response, key: str) -> None:
    """Refuse a server that refuses us, unless MLflow has other ways to log in than we know."""
    if "Host header" in answer.text:
        raise ConfigError(
            f"{key} refuses requests by this name: start it with --allowed-hosts, as make server "
            "does, or give the address that it allows"
        )
    if any(map(os.environ.get, OTHER_LOGINS)) or LOGIN_FILE.expanduser().exists():
        return
    raise ConfigError(
        f"{key} lets nobody in without the right name and password: set {USER} and {PASSWORD}, or "
        f"{TOKEN}"
    )


def _experiments(uri: str) -> Response:
    """Request the experiments; the page /health answers even when a server lost its database."""
    return _get(uri, f"{EXPERIMENTS}/search", max_results="1")


def _get(uri: str, page: str, **parameters: str) -> Response:
    """Request a page of the server at `uri`, with MLflow's client settings."""
    import requests

    insecure = os.environ.get(INSECURE, "").lower() in ("true", "1")
    return requests.get(
        f"{uri.rstrip('/')}/{page}",
        params=parameters,
        headers=_login(),
        timeout=ANSWER_TIMEOUT_SECONDS,
        verify=os.environ.get(SERVER_CERTIFICATE) or not insecure,
        cert=os.environ.get(CLIENT_CERTIFICATE),
    )


def _login() -> dict[str, str]:
    """Return the header that logs in as MLflow does; one in the address goes before it."""
    if os.environ.get(USER) and os.environ.get(PASSWORD):
        words = f"{os.environ[USER]}:{os.environ[PASSWORD]}".encode()
        return {"Authorization": f"Basic {base64.b64encode(words).decode()}"}
    if os.environ.get(TOKEN):
        return {"Authorization": f"Bearer {os.environ[TOKEN]}"}
    return {}


def _json(answer: Response) -> dict[str, Any] | None:
    """Return the content of an answer if it is a JSON object."""
    try:
        content = answer.json()
    except ValueError:
        return None
    return content if isinstance(content, dict) else None


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
