"""Pictures of the MLflow UI, from a real server in a headless browser.

The command: python tests/screenshot.py STUDY FOLDER
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from helpers import REPOSITORY
from mlflow import MlflowClient
from processes import free_port, kill, start, until
from selenium import webdriver

from cnn_anatomy.core.paths import tracking_uri
from cnn_anatomy.tracking.server import server_answers
from cnn_anatomy.tracking.views import WORKFLOW, view_address

VIEWS = {"table": False, "curves": True, "trade-off": True}  # whether each shows charts
SETTLED_SECONDS = 8.0  # without a new line of the table or trace of a chart
PARTS = "return document.querySelectorAll('.ag-row, .scatterlayer .trace').length"
TRACES = "return document.querySelectorAll('.scatterlayer .trace').length"
TOOLBARS_HIDDEN = """  // which else appear only under a pointer
document.querySelectorAll('.modebar-container').forEach(bar => bar.remove())
"""
TEXT = "return document.body.innerText"
REQUESTS = "return performance.getEntriesByType('resource').map(e => e.name)"
ASSISTANT_CLOSED = """
if (location.protocol == 'http:')
    localStorage.setItem('mlflow.assistant.fab.autoOpenedOnFirstLoad_v1', 'true')
"""


needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")), reason="no Chromium here"
)


def assert_alone(driver: webdriver.Chrome) -> None:
    """Assert that a page reported no error and asked no one for anything."""
    assert driver.get_log("browser") == []
    assert [r for r in driver.execute_script(REQUESTS) if not r.startswith("data:")] == []


@contextmanager
def server(uri: str) -> Iterator[str]:
    """Serve the store `uri` on a free port of 127.0.0.1; yield the address."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    env = {**os.environ, "MLFLOW_TRACKING_URI": uri}
    with TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        process = start(REPOSITORY, "make", "ui", f"PORT={port}", env=env, log=log)
        try:
            until(lambda: server_answers(address), "answer", process=process, explain=log.read_text)
            yield address
        finally:
            kill(process, signal.SIGTERM)


@contextmanager
def browser(width: int = 1600, height: int = 900) -> Iterator[webdriver.Chrome]:
    """Yield a headless Chromium, in which MLflow's assistant has been closed before."""
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.add_argument(f"--window-size={width},{height}")
    options.binary_location = "/usr/bin/chromium"
    service = webdriver.ChromeService("/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    driver.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": ASSISTANT_CLOSED})
    try:
        yield driver
    finally:
        driver.quit()


def open_page(driver: webdriver.Chrome, address: str) -> None:
    """Open an address in a page of its own."""
    driver.get("about:blank")  # else only the fragment changes, and the page keeps its state
    driver.get(address)


def wait_until_drawn(driver: webdriver.Chrome, *, charts: bool) -> None:
    """Wait until the page shows its table, and its charts if it has some, and nothing is added."""
    drawn: list[int] = []

    def settled() -> bool:
        drawn.append(driver.execute_script(PARTS))
        time.sleep(SETTLED_SECONDS)
        shown = driver.execute_script(TRACES) > 0 or not charts
        return shown and driver.execute_script(PARTS) == drawn[-1] > 0

    until(settled, "draw")


def newest_run(client: MlflowClient, experiment: str) -> str:
    """Return the id of the newest finished run that trained a network."""
    wanted = "tags.kind = 'run' and attributes.status = 'FINISHED'"
    (run,) = client.search_runs([experiment], wanted, max_results=1)
    return run.info.run_id


def wait_until_shown(driver: webdriver.Chrome, *parts: str) -> None:
    """Wait until the page's text holds every part, and nothing is added."""
    shown: list[str] = []

    def settled() -> bool:
        shown.append(driver.execute_script(TEXT))
        time.sleep(SETTLED_SECONDS)
        return all(p in shown[-1] for p in parts) and driver.execute_script(TEXT) == shown[-1]

    until(settled, f"text {', '.join(parts)}", explain=lambda: shown[-1])


def main() -> None:
    """Take pictures of a study's views, named after them, and of its newest run."""
    study, folder = sys.argv[1:]
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None, f"no runs of {study}: make sweep STUDY={study}"
    with server(tracking_uri()) as address, browser() as driver:
        for key, has_charts in VIEWS.items():
            link = view_address(address, experiment.experiment_id, key, charts=has_charts)
            open_page(driver, link)
            wait_until_drawn(driver, charts=has_charts)
            driver.execute_script(TOOLBARS_HIDDEN)
            driver.save_screenshot(str(Path(folder) / f"mlflow-{key}.png"))
        number = experiment.experiment_id
        run = f"#/experiments/{number}/runs/{newest_run(client, number)}"
        open_page(driver, f"{address}/{run}?{WORKFLOW}")
        wait_until_shown(driver, "test/accuracy", "model.depth")
        driver.save_screenshot(str(Path(folder) / "mlflow-run.png"))


if __name__ == "__main__":
    main()
