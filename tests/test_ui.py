"""The MLflow UI shows a sweep and its runs, in a real browser."""

import shutil
import urllib.error
import urllib.request

import pytest
from screenshot import browser, runs_table, server
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from cnn_anatomy.tracking.run import tracked
from cnn_anatomy.tracking.store import prepare
from cnn_anatomy.tracking.sweep_run import start_parent

pytestmark = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")), reason="no Chromium here"
)


def test_runs_are_nested_under_their_sweep(uri):
    from mlflow import MlflowClient

    experiment = prepare(uri, "skip", "Does a skip help?")
    client = MlflowClient(uri)
    parent = start_parent(client, experiment, "skip", [], preset=True)
    for seed in range(2):
        with tracked(
            uri,
            experiment,
            name=f"skip=none s{seed}",
            tags={"study": "skip", "kind": "run"},
            params={"skip": "none", "seed": seed},
            parent=parent,
        ) as logger:
            logger.log_metrics({"test/accuracy": 0.5 + seed / 10})
    client.set_terminated(parent)
    with server(uri) as address, browser() as driver:
        runs_table(driver, address, experiment, "sweep of skip", ["test/accuracy"])
        WebDriverWait(driver, 30).until(
            lambda d: d.find_elements(By.XPATH, "//*[text()='skip=none s1']"), "no children"
        )
        WebDriverWait(driver, 30).until(lambda d: "Does a skip help?" in d.page_source, "no note")
        assert "0.6" in driver.find_element(By.TAG_NAME, "body").text
        severe = [e for e in driver.get_log("browser") if e["level"] == "SEVERE"]
        assert not [e for e in severe if address not in e["message"]]  # nothing left the machine


def status(address, host):
    """Return the status of the answer to a request with the Host header `host`."""
    request = urllib.request.Request(address, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_only_this_machine_is_answered(uri):
    with server(uri) as address:
        port = address.rpartition(":")[2]
        assert status(address, f"127.0.0.1:{port}") == 200
        assert status(address, f"rebound.example.org:{port}") == 403
