"""Pictures of the web site of results, in a headless browser.

The command: python tests/report_screenshot.py STUDY FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from screenshot import browser
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from cnn_anatomy.core.paths import OUTPUTS

WIDTHS = (1280, 400)
THEMES = ("light", "dark")
HEIGHT = 900
DRAWN = "const done = arguments[0]; window.drawn.then(() => done(true))"


def show(driver: webdriver.Chrome, width: int, theme: str = "light") -> None:
    """Give the page a width in pixels and a colour scheme."""
    size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    scheme = {"features": [{"name": "prefers-color-scheme", "value": theme}]}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", scheme)


def photograph(site: Path, study: str, folder: Path) -> Iterator[Path]:
    """Take the ledger at every width and theme, and the explorer after two choices.

    Args:
        site: the site's folder.
        study: the one that is chosen in the explorer.
        folder: where the pictures are written.

    Yields:
        Each picture's path.
    """
    with browser() as driver:
        for width in WIDTHS:
            for theme in THEMES:
                show(driver, width, theme)
                driver.get((site / "index.html").as_uri())
                yield _saved(driver, folder / f"report-{width}-{theme}.png")
        show(driver, WIDTHS[0])
        driver.get((site / "explorer.html").as_uri())
        driver.execute_async_script(DRAWN)
        for name, value in (("study", study), ("view", "curves")):
            Select(driver.find_element(By.NAME, name)).select_by_value(value)
        driver.execute_async_script(DRAWN)
        yield _saved(driver, folder / "report-explorer.png")


def _saved(driver: webdriver.Chrome, path: Path) -> Path:
    driver.save_screenshot(str(path))
    return path


def main() -> None:
    """Take pictures of outputs/report and print their paths."""
    study, folder = sys.argv[1:]
    for picture in photograph(OUTPUTS / "report", study, Path(folder)):
        print(picture)


if __name__ == "__main__":
    main()
