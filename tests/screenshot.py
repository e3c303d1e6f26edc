"""Pictures of the MLflow UI, from a real server in a headless browser.

The command: python tests/screenshot.py STUDY FILE
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from helpers import REPOSITORY
from mlflow import MlflowClient
from processes import free_port, kill, start, until
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from cnn_anatomy.core.paths import tracking_uri
from cnn_anatomy.tracking.server import server_answers


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
    """Yield a headless Chromium."""
    options = webdriver.ChromeOptions()
    for word in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(word)
    options.add_argument(f"--window-size={width},{height}")
    options.binary_location = "/usr/bin/chromium"
    service = webdriver.ChromeService("/usr/bin/chromedriver")
    driver = webdriver.Chrome(options=options, service=service)
    try:
        yield driver
    finally:
        driver.quit()


def runs_table(
    driver: webdriver.Chrome,
    address: str,
    experiment: str,
    parent: str,
    columns: Sequence[str] = (),
) -> None:
    """Open the experiment's table of runs, unfold `parent` and toggle `columns`."""

    def press(xpath: str) -> None:
        element = WebDriverWait(driver, 60).until(lambda d: d.find_element(By.XPATH, xpath))
        driver.execute_script("arguments[0].click()", element)

    driver.get(f"{address}/#/experiments/{experiment}/runs")
    press(f"(//*[text()='{parent}']/ancestor::div[@role='gridcell'])[1]//button")
    for close in driver.find_elements(By.XPATH, "//button[@aria-label='Close']"):
        driver.execute_script("arguments[0].click()", close)  # the assistant's panel
    if columns:
        press("//button[contains(., 'Columns')]")
        box = WebDriverWait(driver, 30).until(
            lambda d: d.find_element(By.XPATH, "//input[@placeholder='Search columns']")
        )
        for column in columns:
            box.send_keys(Keys.CONTROL, "a")
            box.send_keys(column)
            press(f"//div[@role='dialog']//*[text()='{column}']")
        box.send_keys(Keys.ESCAPE)


def main() -> None:
    """Take the picture of a study's runs."""
    study, file = sys.argv[1:]
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name(study)
    assert experiment is not None, f"no runs of {study}: make sweep STUDY={study}"
    with server(tracking_uri()) as address, browser() as driver:
        hidden = ("Dataset", "Source", "Models")
        shown = ("model.depth", "skip", "norm", "test/accuracy", "gradient/decay", "params/total")
        columns = (*hidden, *shown)
        runs_table(driver, address, experiment.experiment_id, f"sweep of {study}", columns)
        time.sleep(3)
        Path(file).parent.mkdir(parents=True, exist_ok=True)
        driver.save_screenshot(file)


if __name__ == "__main__":
    main()
