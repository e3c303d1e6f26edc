"""The MLflow UI opens on a study's views and shows its runs, in a real browser."""

import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from types import SimpleNamespace

import mlflow
import pytest
from helpers import REPOSITORY, environment
from mlflow import MlflowClient
from screenshot import browser, open_page, server
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from cnn_anatomy.studies.study import Study, Table
from cnn_anatomy.sweep.study_views import study_views
from cnn_anatomy.tracking import views
from cnn_anatomy.tracking.run import tracked
from cnn_anatomy.tracking.store import prepare
from cnn_anatomy.tracking.sweep_run import start_parent
from cnn_anatomy.tracking.ui import shown_server, study_links
from cnn_anatomy.tracking.views import save_views, view_address

STUDY = Study(
    name="skip",
    question="Does a skip help?",
    reading="",
    table=Table(rows=("skip", "norm"), metrics=("test/accuracy", "macs")),
    grid={"skip": ("none", "identity"), "norm": ("none", "batch's")},
)
VARIANTS = list(STUDY.overrides_by_variant)
SEEDS = (0, 1)
EPOCHS = 3
PLOTS = """
return [...document.querySelectorAll('.js-plotly-plot')].filter(plot => plot.data).map(plot =>
    plot.data.filter(trace => trace.fill != 'tozeroy' && trace.hoverinfo != 'skip').map(trace => (
        {type: trace.type, names: trace.text, x: [...trace.x], y: [...trace.y]})))
"""

NEWEST = "params.skip = 'identity' and params.seed = '1'"

needs_browser = pytest.mark.skipif(
    not (shutil.which("chromium") and shutil.which("chromedriver")), reason="no Chromium here"
)


def accuracy(variant, seed, epoch):
    """Return the accuracy that a run has after an epoch."""
    return (VARIANTS.index(variant) + 1) / 8 + epoch / 100 + seed / 1000


def fill(uri, experiment):
    """Write a sweep of the study, with one run that it does not count."""
    parent = start_parent(MlflowClient(uri), experiment, "skip", [], preset=True)
    for run in STUDY.runs(SEEDS):
        params = dict(word.split("=") for word in run.overrides)
        with tracked(
            uri,
            experiment,
            name=f"{run.variant} s{run.seed}",
            tags={"study": "skip", "kind": "run", "variant": run.variant},
            params={**params, "variant": run.variant, "seed": run.seed},
            parent=parent,
        ) as logger:
            size = 1000.0 * (1 + VARIANTS.index(run.variant))
            logger.log_metrics({"macs": size, "params/total": size / 10})
            for epoch in range(-1, EPOCHS):
                logger.log_metrics({"gradient/decay": float(epoch), "epoch": epoch}, 17 * epoch)
            for epoch in range(EPOCHS):
                value = accuracy(run.variant, run.seed, epoch)
                logger.log_metrics({"val/accuracy": value, "epoch": epoch}, 17 * epoch)
            with logger.final_metrics():
                logger.log_metrics({"test/accuracy": value, "epoch": EPOCHS}, 17 * EPOCHS)
    with tracked(
        uri, experiment, name="alone", tags={"kind": "run", "variant": "alone"}, params={}
    ) as logger:
        logger.log_metrics({"val/accuracy": 1.0, "test/accuracy": 1.0})
    return parent


@pytest.fixture(scope="module")
def ui(tmp_path_factory, new_store):
    """Serve a store with a sweep as `make ui` does, and open a browser."""
    uri = new_store(tmp_path_factory.mktemp("ui"))
    client, experiment = MlflowClient(uri), prepare(uri, "skip", STUDY.question)
    parent = fill(uri, experiment)
    client.set_terminated(parent)
    with server(uri) as address, browser() as driver:
        save_views(MlflowClient(address), experiment, study_views(STUDY, parent))
        yield SimpleNamespace(
            uri=uri, client=client, experiment=experiment, address=address, driver=driver
        )


def plots(ui, count):
    """Wait until a page has `count` drawn charts; return the traces of each, without bands."""

    def drawn(driver):
        traces = [plot for plot in driver.execute_script(PLOTS) if plot]
        return traces if len(traces) >= count else None

    return WebDriverWait(ui.driver, 60).until(drawn, "no charts")


def text(ui, part):
    """Wait until the page shows `part`; return all its text."""
    body = WebDriverWait(ui.driver, 60).until(
        lambda d: part in (t := d.find_element(By.TAG_NAME, "body").text) and t, f"no {part}"
    )
    severe = [e["message"] for e in ui.driver.get_log("browser") if e["level"] == "SEVERE"]
    assert not [message for message in severe if ui.address not in message]  # no other request
    return body


@needs_browser
def test_the_link_opens_a_mean_curve_for_each_variant(ui):
    ((study, link),) = study_links(ui.client, ui.address)
    assert study == "skip"
    open_page(ui.driver, link)
    charts = plots(ui, 2)  # of the three, no run has train/loss
    accuracies, decays = charts[0], charts[-1]
    curves = {tuple(trace["x"]): 0 for trace in accuracies}
    assert list(curves) == [(1, 2, 3)]  # the epochs done
    means = sorted(trace["y"] for trace in accuracies)
    expected = [
        [sum(accuracy(v, s, e) for s in SEEDS) / len(SEEDS) for e in range(EPOCHS)]
        for v in VARIANTS
    ]
    assert means == [pytest.approx(curve) for curve in sorted(expected)]
    assert [trace["x"] for trace in decays] == [[0, 1, 2, 3]] * len(VARIANTS)
    shown = text(ui, "Group by: variant")
    assert "Judges" not in shown  # the pages of language models
    assert f"{len(VARIANTS) * len(SEEDS)} matching runs" in shown


@needs_browser
def test_the_trade_off_has_a_point_for_each_variant(ui):
    open_page(ui.driver, view_address(ui.address, ui.experiment, "trade-off", charts=True))
    macs, params = plots(ui, 2)[:2]
    assert len(macs) == len(params) == 1
    means = [accuracy(v, sum(SEEDS) / len(SEEDS), EPOCHS - 1) for v in VARIANTS]
    for (points,), size in ((macs, 1000), (params, 100)):
        by_name = dict(
            zip(points["names"], zip(points["x"], points["y"], strict=True), strict=True)
        )
        assert by_name == {
            variant: pytest.approx((size * (1 + i), means[i])) for i, variant in enumerate(VARIANTS)
        }


@needs_browser
def test_the_table_has_the_axes_and_metrics_as_columns_the_best_run_first(ui):
    open_page(ui.driver, view_address(ui.address, ui.experiment, "table"))
    text(ui, VARIANTS[-1])
    heads = ui.driver.find_elements(By.CSS_SELECTOR, ".ag-header-cell")
    heads.sort(key=lambda head: head.location["x"])  # the page's order, not the document's
    columns = [head.get_attribute("col-id") for head in heads]
    names = ["params.`skip`", "params.`norm`", "params.`seed`"]
    names += ["metrics.`test/accuracy`", "metrics.`macs`"]
    assert [c for c in columns if c.startswith(("params", "metrics"))] == names
    links = ui.driver.find_elements(By.CSS_SELECTOR, "a[href*='/runs/']")
    runs = [link.text for link in links if " s" in link.text]
    assert runs == [f"{variant} s{seed}" for variant in VARIANTS[::-1] for seed in SEEDS[::-1]]


@needs_browser
def test_what_is_measured_once_is_no_curve(ui):
    (run,) = ui.client.search_runs([ui.experiment], f"params.norm = 'none' and {NEWEST}")
    page = f"{ui.address}/#/experiments/{ui.experiment}/runs/{run.info.run_id}/model-metrics"
    open_page(ui.driver, f"{page}?{views.WORKFLOW}")
    plots(ui, 1)
    ui.driver.find_element(By.XPATH, "//input[contains(@placeholder, 'charts')]").send_keys("^test")
    WebDriverWait(ui.driver, 60).until(lambda d: len(d.execute_script(PLOTS)) == 1, "no filter")
    ((bar,),) = plots(ui, 1)
    assert bar["type"] == "bar"
    assert bar["x"] == pytest.approx([accuracy("skip=identity norm=none", 1, EPOCHS - 1)])


@needs_browser
def test_runs_are_nested_under_their_sweep(ui):
    open_page(ui.driver, f"{ui.address}/#/experiments/{ui.experiment}/runs?{views.WORKFLOW}")
    unfold = "(//*[text()='sweep of skip']/ancestor::div[@role='gridcell'])[1]//button"
    button = WebDriverWait(ui.driver, 60).until(lambda d: d.find_element(By.XPATH, unfold))
    ui.driver.execute_script("arguments[0].click()", button)
    assert STUDY.question in text(ui, f"{VARIANTS[0]} s1")


def status(address, host):
    """Return the status of the answer to a request with the Host header `host`."""
    request = urllib.request.Request(address, headers={"Host": host})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@needs_browser
def test_only_this_machine_is_answered(ui):
    port = ui.address.rpartition(":")[2]
    assert status(ui.address, f"127.0.0.1:{port}") == 200
    assert status(ui.address, f"rebound.example.org:{port}") == 403


def test_an_upgrade_of_mlflow_asks_for_these_tests_to_be_read_again():
    assert mlflow.__version__.startswith(f"{views.UI_VERSION}.")


def test_a_ui_of_another_version_gets_no_views(uri, monkeypatch):
    client, experiment = MlflowClient(uri), prepare(uri, "skip")
    monkeypatch.setattr(views, "UI_VERSION", "3.16")
    save_views(client, experiment, study_views(STUDY, "0"))
    assert not list(study_links(client, "http://127.0.0.1:5000"))


def test_links_name_no_password_and_an_empty_store_has_none(tmp_path):
    assert shown_server("https://me:hush@lab.example.org/", "") == "https://***@lab.example.org"
    call = [sys.executable, "-m", "cnn_anatomy.tracking.ui", "http://127.0.0.1:5000"]
    done = subprocess.run(
        call, cwd=REPOSITORY, env=environment(tmp_path), capture_output=True, text=True, check=True
    )
    assert done.stdout == ""
    assert not (tmp_path / "mlflow.db").exists()
