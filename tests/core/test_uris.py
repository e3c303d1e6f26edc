"""No address is shown with its user name or password, however odd that is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cnn_anatomy.core.errors import ConfigError, RunFailed
from cnn_anatomy.core.sentences import sentence
from cnn_anatomy.core.tracebacks import traceback_text
from cnn_anatomy.core.uris import without_secrets, without_secrets_inside

VISIBLE = st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x85\xa0\x7f")
USERS = st.text(VISIBLE.filter(lambda c: c not in "/?#:@" and not c.isspace()))
PASSWORDS = st.text(VISIBLE.filter(lambda c: not c.isspace()))
SCHEMES = st.sampled_from(["http", "https", "postgresql", "mysql+pymysql", "sftp"])
PLACES = st.sampled_from(["host", "127.0.0.1:5000", "host/path", "host:5432/db?sslmode=require"])


@given(SCHEMES, USERS, PASSWORDS, PLACES)
def test_nothing_of_a_password_is_shown(scheme, user, password, place):
    uri, shown = f"{scheme}://{user}:{password}@{place}", f"{scheme}://***@{place}"
    assert without_secrets(uri) == shown
    assert (
        without_secrets(f"the store {uri} does not answer") == f"the store {shown} does not answer"
    )
    assert without_secrets(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "sqlite:////home/me@work/a: b@c/mlflow.db",
        "http://127.0.0.1:5000/#/experiments/1/runs/2",
        "https://host/path@v2",
        "s3://bucket/a/b@2x.png",
        "file:///a/b@c",
        "write to me@example.org",
        "model.depth=20",
    ],
)
def test_the_rest_is_shown_as_it_is(text):
    assert without_secrets(text) == text


def test_a_user_alone_may_be_a_token_and_an_option_a_password():
    assert without_secrets("https://to-ken@host/x") == "https://***@host/x"
    uri = "postgresql://host/db?password=hush&sslmode=require&sslpassword=hush"
    assert without_secrets(uri) == uri.replace("hush", "***")


def test_configurations_are_masked_inside():
    config = {"tracking": {"uri": "http://me:hush@host"}, "list": [1, None, "ftp://me:hush@h"]}
    shown = {"tracking": {"uri": "http://***@host"}, "list": [1, None, "ftp://***@h"]}
    assert without_secrets_inside(config) == shown


@pytest.mark.parametrize("kind", [ConfigError, RunFailed, RuntimeError])
def test_no_error_tells_it(kind):
    try:
        try:
            raise ValueError("API request to http://me:hu/s@h@host:5000/api failed")
        except ValueError as error:
            raise kind("http://me:hu/s@h@host:5000 is lost") from error
    except kind as error:
        said = [sentence(error), traceback_text(error)]
    assert "is lost" in said[0]
    assert "api failed" in said[1]
    assert not [text for text in said if "hu/" in text or "s@h" in text]
