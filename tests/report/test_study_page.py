"""A study's page, its figures and the web site, of a sweep in a real store."""

import csv
import re
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from report_screenshot import photograph, show
from results import store
from screenshot import assert_alone, browser, needs_browser
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import Select

from cnn_anatomy.core.errors import ConfigError
from cnn_anatomy.report.figures import FIGURES, check_figures, draw_figures
from cnn_anatomy.report.latex import escape_latex
from cnn_anatomy.report.page import table_files
from cnn_anatomy.report.render import to_markdown
from cnn_anatomy.report.site import write_site
from cnn_anatomy.report.study_page import (
    NOTE_CHARACTERS,
    publish_studies,
    published_tables,
    write_study_page,
)
from cnn_anatomy.report.table import build_study_table
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.run_files import KeptFiles, StoredFiles
from cnn_anatomy.results.run_table import read_run_table
from cnn_anatomy.results.runs import read_sweep
from cnn_anatomy.studies.figure import Figure
from cnn_anatomy.studies.registration import Registration, claim_hashes
from cnn_anatomy.tracking.registration import REGISTRATION_TAG

SECTIONS = ["Set-up", "Results", "Verdicts", "Limitations", "Reproduction"]


@pytest.fixture(scope="module")
def published(tmp_path_factory, new_store):
    """Publish a study with every figure."""
    folder = tmp_path_factory.mktemp("published")
    study = store.study()
    client = store.fill(new_store(folder), study)
    (page,) = publish_studies([study], client, folder / "results")
    return SimpleNamespace(folder=folder, study=study, client=client, page=page)


def test_every_figure_is_drawn_as_png_and_svg(published):
    drawn = [file for file, _ in published.page.figures]
    assert drawn == [*store.FIGURES, "heatmap", "before_after", "dose", "by_size-2", "cam"]
    assert {figure.name for figure in published.study.figures} == set(FIGURES)
    for file in drawn:
        assert (published.page.folder / f"{file}.png").read_bytes()[:4] == b"\x89PNG"
        assert "<svg" in (published.page.folder / f"{file}.svg").read_text(encoding="utf-8")


def test_every_figure_is_drawn_again_from_the_evidence_beside_it(published, tmp_path):
    folder = published.page.folder
    sweep = read_run_table(folder / "runs.csv", "skip")
    drawn = draw_figures(Evidence(published.study, sweep, KeptFiles(folder)), tmp_path)
    assert drawn == published.page.figures
    for file, _ in drawn:
        svg = (tmp_path / f"{file}.svg").read_text(encoding="utf-8")
        assert svg == (folder / f"{file}.svg").read_text(encoding="utf-8"), file


def test_a_page_reads_like_a_section_of_a_paper(published):
    text = (published.page.folder / "README.md").read_text(encoding="utf-8")
    assert re.findall("^## (.*)$", text, re.M) == SECTIONS
    assert (published.page.folder / "table.md").read_text(encoding="utf-8") in text
    for target in re.findall(r"\]\(([^)#]+)\)", text):
        assert (published.page.folder / target).exists(), target
    assert "24 runs: 4 variants × 6 seeds" in text
    assert "5 epochs; 8 to 20 thousand parameters, 16 to 40 million multiply-adds" in text
    assert "It shows no large images." in text
    words = [v.markdown for v in published.page.verdicts if v.verdict.claim.id == "s1"]
    assert re.search(
        r"\*\*Supported\*\*\. s1: .* Test accuracy, .*: [\d.]+ % against [\d.]+ %, "
        r"effect [\d.]+ points \[[\d.]+, [\d.]+\], n = 6, "
        r"decided by \[[\d.]+, [\d.]+\] \([\d.]+ %\)\.",
        words[0],
    ), words
    assert "20.0 × 10³ against 8.0 × 10³, effect 12.0 × 10³, compared exactly" in text


def test_the_note_fits_mlflow(published):
    note = published.page.note
    assert len(note) <= NOTE_CHARACTERS
    assert "heatmap.png" in note
    assert "**Supported**" in note


def test_a_note_drops_the_verdicts_that_mlflow_has_no_room_for(published):
    verdicts = [*published.page.verdicts] * 60
    note = replace(published.page, verdicts=verdicts).note
    assert NOTE_CHARACTERS - 500 < len(note) <= NOTE_CHARACTERS
    assert "heatmap.png" in note


def test_every_cell_is_traced(published):
    runs = read_run_table(published.page.folder / "runs.csv", "skip").runs
    assert set(runs.commit) == {"0123456789"}
    assert len(set(zip(runs.run_id, runs.key, strict=True))) == 24


def test_every_number_can_be_computed_again_from_the_runs(published):
    sweep = read_run_table(published.page.folder / "runs.csv", "skip")
    columns = sorted(c for c in sweep.runs if c.startswith(("params.", "metrics.")))
    stored = read_sweep(published.client, "skip").runs
    pd.testing.assert_frame_equal(
        sweep.runs[columns], stored[columns], check_exact=True, check_dtype=False
    )
    table = build_study_table(published.study, sweep)
    for name, text in table_files(table, sweep).items():
        assert (published.page.folder / name).read_text(encoding="utf-8") == text


def test_published_tables_are_up_to_date_until_runs_or_files_change(published, tmp_path):
    keys = {"skip": {f"k{i}" for i in range(24)}}
    root = shutil.copytree(published.folder / "results", tmp_path / "results")

    def up_to_date(keys):
        sweeps = [(published.study, published.page.parent)]
        return published_tables(sweeps, keys, published.client, root)

    ((_, table),) = up_to_date(keys)
    assert to_markdown(table) == to_markdown(published.page.table)
    assert up_to_date({"skip": keys["skip"] | {"one more"}}) is None
    (root / "skip" / "table.csv").write_text("another", encoding="utf-8")
    assert up_to_date(keys) is None
    (root / "skip" / "table.csv").unlink()
    assert up_to_date(keys) is None


def test_a_run_without_a_file_is_left_out(published):
    sweep = read_sweep(published.client, "skip")
    evidence = Evidence(published.study, sweep, StoredFiles(published.client))
    first, *_, last = sweep.variants
    assert len(evidence.frames(first, "shift.parquet")) == 6
    assert len(evidence.frames(last, "shift.parquet")) == 5
    assert evidence.frames(first, "nothing.parquet") == {}
    files = StoredFiles(published.client)
    bare = Evidence(published.study, replace(sweep, runs=sweep.runs.assign(status="FAILED")), files)
    assert draw_figures(bare, published.folder / "none") == []


@pytest.mark.parametrize(
    ("figure", "mistake"),
    [
        (Figure(name="heatmp"), "figures=heatmp is none of accuracy, .*did you mean heatmap"),
        (Figure(name="heatmap"), "figure heatmap lacks the setting variants"),
        (Figure(name="accuracy", settings={"x": 1}), "figure accuracy takes nothing, not x"),
        (
            Figure(name="cam", settings={"variants": ["depth=9"]}),
            "variant depth=9 is none of depth=8",
        ),
    ],
)
def test_a_wrong_figure_is_refused(figure, mistake):
    with pytest.raises(ConfigError, match=mistake):
        check_figures(store.study().model_copy(update={"figures": (figure,)}))


def test_a_site_without_any_sweep_is_refused(tmp_path, uri):
    from mlflow import MlflowClient

    with pytest.raises(ConfigError, match="the store has no sweep of skip"):
        write_site([store.study()], MlflowClient(uri), tmp_path)


@pytest.fixture(scope="module")
def site(published):
    return write_site([published.study], published.client, published.folder / "report")


def test_the_site_needs_no_other_host(site, published):
    for file in (site, site.with_name("skip.html"), site.with_name("sentences.html")):
        text = file.read_text(encoding="utf-8")
        assert store.EVIL not in text
        assert "<b>norm</b>" not in text
        assert not re.search(r"""(?:src|href)=["'](?!data:|[\w/.]*(?:#[\w=]+)?["'])""", text)
        assert "http" not in re.sub(r"data:[^\"]*", "", text)
        for target in re.findall(r'href="((?!data:)[^"#]+)', text):
            assert (site.parent / target).exists(), target
    assert site.read_text(encoding="utf-8").count('class="forest"') == len(published.study.claims)
    study = site.with_name("skip.html").read_text(encoding="utf-8")
    assert study.count("<figure>") == len(published.page.figures)


@needs_browser
def test_the_site_in_a_browser(site):
    with browser() as driver:
        for width in (400, 1280):
            for theme in ("light", "dark"):
                show(driver, width, theme)
                for name in ("index", "skip", "explorer", "sentences"):
                    driver.get(site.with_name(f"{name}.html").as_uri())
                    overflow = "return document.documentElement.scrollWidth - innerWidth"
                    assert driver.execute_script(overflow) <= 0, (name, width)
                    cut = """return [...document.querySelectorAll('.scroll')]
                        .filter(e => e.scrollWidth > e.clientWidth).length"""
                    assert driver.execute_script(cut) == 0, (name, width)
                    broken = "return [...document.images].filter(i => !i.naturalWidth).length"
                    assert driver.execute_script(broken) == 0
                    back = "return getComputedStyle(document.body).backgroundColor"
                    assert (driver.execute_script(back) == "rgb(255, 255, 255)") == (
                        theme == "light"
                    )
                    card = driver.find_element(By.CSS_SELECTOR, "tbody tr")
                    assert (card.value_of_css_property("display") == "block") == (width == 400)
                    assert_alone(driver)


@needs_browser
def test_a_table_is_sorted_by_the_column_that_is_pressed(site):
    with browser() as driver:
        driver.get(site.with_name("skip.html").as_uri())
        table = driver.find_element(By.CSS_SELECTOR, "table.sortable")
        column = [h.text for h in table.find_elements(By.TAG_NAME, "th")].index("test accuracy (%)")
        head = table.find_elements(By.CSS_SELECTOR, "th button")[column]
        for direction, reverse in (("ascending", False), ("descending", True)):
            head.send_keys(Keys.ENTER)
            cells = table.find_elements(By.CSS_SELECTOR, f"td:nth-child({column + 1})")
            values = [float(cell.get_attribute("data-value")) for cell in cells]
            assert values == sorted(values, reverse=reverse)
            sort = table.find_elements(By.TAG_NAME, "th")[column].get_attribute("aria-sort")
            assert sort == direction


@needs_browser
def test_the_ledger_shows_the_claims_that_are_asked_for(site):
    visible = """return [...document.querySelectorAll('tbody tr')]
        .filter(r => r.offsetParent).map(r => r.dataset.verdict)"""
    with browser() as driver:
        driver.get(site.as_uri())
        everything = driver.execute_script(visible)
        assert len(everything) > 20  # of all studies
        verdict = Select(driver.find_element(By.NAME, "verdict"))
        verdict.select_by_visible_text("supported")
        assert set(driver.execute_script(visible)) == {"supported"}
        address = driver.current_url
        assert "verdict=supported" in address
        driver.get("about:blank")
        driver.get(address)
        assert set(driver.execute_script(visible)) == {"supported"}
        Select(driver.find_element(By.NAME, "verdict")).select_by_index(0)
        driver.find_element(By.NAME, "words").send_keys("deep ones are LARGER")
        assert driver.execute_script(visible) == ["supported"]
        assert driver.find_element(By.ID, "count").text == "1 claim shown"


def drawn(driver):
    """Wait for the explorer's figure; return the number of marks in each of its layers."""
    return driver.execute_async_script(
        """const done = arguments[0];
        window.drawn.then(() => done(Object.fromEntries(['mark-symbol', 'mark-line', 'mark-rule']
            .map(c => [c, [...document.querySelectorAll(`#chart g.${c}.role-mark`)]
                .map(g => g.childElementCount)]))))"""
    )


@needs_browser
def test_the_explorer_shows_the_numbers_of_the_table(site, published):
    table = published.page.table
    columns = [i for i, name in enumerate(table.columns) if "difference" not in name]
    with browser() as driver:
        show(driver, 1280)
        driver.get(site.with_name("explorer.html").as_uri())
        variants, seeds = len(table.rows), 6
        assert drawn(driver)["mark-symbol"] == [variants * seeds, variants]
        cells = """return [...document.querySelectorAll('#numbers tbody tr')]
            .map(row => [...row.cells].map(cell => cell.textContent))"""
        heads = "return [...document.querySelectorAll('#numbers th')].map(c => c.textContent)"
        shown = driver.execute_script(heads)
        assert shown == [*table.labels, *(table.heads[i] for i in columns), "n"]
        for row, texts in zip(table.rows, driver.execute_script(cells), strict=True):
            own = [row.cells[i].text.replace("†", "") for i in columns]
            assert texts == [*row.labels, *own, row.count]

        Select(driver.find_element(By.NAME, "view")).select_by_value("trade")
        assert drawn(driver)["mark-rule"] == [variants, variants]
        Select(driver.find_element(By.NAME, "view")).select_by_value("curves")
        assert sum(drawn(driver)["mark-line"]) == variants * (seeds + 1)
        driver.find_element(By.CSS_SELECTOR, "[name=variant]").click()
        address = driver.current_url
        driver.get("about:blank")
        driver.get(address)
        assert sum(drawn(driver)["mark-line"]) == (variants - 1) * (seeds + 1)
        assert_alone(driver)

        driver.find_element(By.ID, "csv").click()
        lines = driver.find_element(By.ID, "copy").get_attribute("value").splitlines()
        assert len(lines) == variants
        mean = table.rows[1].cells[0].summary.mean
        assert float(next(csv.reader(lines[1:]))[2]) == pytest.approx(100 * mean, rel=1e-4)
        driver.find_element(By.ID, "latex").click()
        latex = driver.find_element(By.ID, "copy").get_attribute("value")
        assert escape_latex(table.rows[1].cells[0].text) in latex
        assert "copied" in driver.find_element(By.ID, "copied").text


@needs_browser
@pytest.mark.parametrize("page", ["index", "skip", "sentences", "explorer"])
def test_the_keyboard_reaches_every_control(site, page):
    controls = """return [...document.querySelectorAll('a, select, input, button, textarea')]
        .filter(e => e.offsetParent)"""
    with browser() as driver:
        driver.get(site.with_name(f"{page}.html").as_uri())
        if page == "explorer":
            drawn(driver)
        wanted = {control.id for control in driver.execute_script(controls)}
        regions = len(driver.find_elements(By.CSS_SELECTOR, "[tabindex='0']"))
        reached = set()
        for _ in range(len(wanted) + regions + 1):
            driver.switch_to.active_element.send_keys(Keys.TAB)
            reached.add(driver.switch_to.active_element.id)
        assert wanted <= reached


@needs_browser
def test_pictures_show_the_ledger_and_the_explorer(site, tmp_path):
    pictures = list(photograph(site.parent, "skip", tmp_path))
    shots = {p.stem: np.asarray(Image.open(p).convert("L")) for p in pictures}
    sizes = {name: shot.shape[1] for name, shot in shots.items()}
    assert sizes == {
        **{f"report-{w}-{theme}": w for w in (1280, 400) for theme in ("light", "dark")},
        "report-explorer": 1280,
    }
    assert shots["report-400-light"].mean() > 200 > 80 > shots["report-400-dark"].mean()


def test_the_pages_are_small(site):
    pages = {file.name: file.stat().st_size for file in site.parent.glob("*.html")}
    assert set(pages) == {"index.html", "explorer.html", "sentences.html", "skip.html"}
    assert pages["explorer.html"] < 450_000
    drawn = sum(file.stat().st_size for file in (site.parent / "skip").glob("*.svg"))
    assert pages["skip.html"] < 1.15 * drawn  # with all else; in Base64 the figures take 1.33


def test_a_page_says_whether_its_claims_are_those_registered_before_the_first_run(
    tmp_path, new_store
):
    """It does so from its folder alone, too; without a registration it says nothing."""
    study = store.study().model_copy(update={"figures": ()})
    client = store.fill(new_store(tmp_path), study, seeds=2)

    def setup(study):
        (page,) = publish_studies([study], client, tmp_path / "results")
        sweep = read_run_table(page.folder / "runs.csv", study.name)
        again = write_study_page(study, sweep, page.verdicts, page.folder, page.figures)
        assert again.setup == page.setup
        return page.setup[-1]

    assert "registered" not in setup(study)
    experiment = client.get_experiment_by_name(study.name).experiment_id
    kept = Registration(time="2026-11-27T19:05:00+00:00", claims=claim_hashes(study))
    client.set_experiment_tag(experiment, REGISTRATION_TAG, kept.model_dump_json())
    assert setup(study) == "Claims as registered on 2026-11-27, before the first run."
    first, _ = study.claims
    changed = first.model_copy(update={"matters": 0.5})
    assert setup(study.model_copy(update={"claims": (changed,)})) == (
        "Claims were registered on 2026-11-27, before the first run; since then: changed s1; "
        "dropped g1."
    )
    client.delete_experiment_tag(experiment, REGISTRATION_TAG)
    assert "registered" not in setup(study)
    assert not (tmp_path / "results" / "skip" / "registration.json").exists()
