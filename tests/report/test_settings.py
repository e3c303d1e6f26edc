"""A second setting in the committed results: in the ledger, its figures and the site."""

import shutil
from types import SimpleNamespace

import pytest
from report_screenshot import DRAWN
from screenshot import assert_alone, browser, needs_browser
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from cnn_anatomy.core.atomic import write_text
from cnn_anatomy.core.paths import PUBLISHED
from cnn_anatomy.report.committed import rewrite_results
from cnn_anatomy.report.site import write_committed_site
from cnn_anatomy.results.run_table import read_run_table, to_run_table
from cnn_anatomy.studies.study import load_settings, study_names


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Judge the committed runs and again the skip study's, as photos of equal test accuracy."""
    root = tmp_path_factory.mktemp("results")
    studies = (study for name in study_names() for study in load_settings(name))
    further = {study.further_setting for study in studies} - {""}
    kept = shutil.ignore_patterns(*further, "settings.*")
    shutil.copytree(PUBLISHED, root, dirs_exist_ok=True, ignore=kept)
    alone = rewrite_results(root)
    before = (root / "README.md").read_text(encoding="utf-8")
    photos = shutil.copytree(root / "skip", root / "skip" / "photos")
    sweep = read_run_table(photos / "runs.csv", "skip/photos")
    sweep.runs["metrics.test/accuracy"] = 0.3 + sweep.runs.seed / 10_000
    write_text(photos / "runs.csv", to_run_table(sweep))
    return SimpleNamespace(root=root, before=before, alone=alone, ledger=rewrite_results(root))


def row(text, start):
    (line,) = [x for x in text.splitlines() if x.startswith(start)]
    return line


def test_without_a_further_setting_nothing_is_mapped(published):
    assert "## Settings" not in published.before
    assert published.alone.across == []
    assert "verdicts with those" not in published.alone.counts


def test_the_ledger_maps_verdicts_by_setting_and_pools_effects(published):
    text = (published.root / "README.md").read_text(encoding="utf-8")
    section = text.partition("## Settings")[2].partition("\n## ")[0]
    claims = load_settings("skip")[0].claims
    assert section.count("\n| **") == len(claims)
    assert "holds in digits and photos | 16.4" in row(section, "| **d1** ")
    test = row(section, "| **s2.test** ")
    assert "| **supported** | **refuted** | holds in digits, refuted in photos |" in test
    pooled, deviation = test.strip("| ").split(" | ")[-2:]
    assert float(deviation) > 30  # points: half of the effect on digits
    low, high = pooled.partition("[")[2].rstrip("]").split(", ")
    assert float(low.replace("−", "-")) < 0 < float(high)
    assert "**[s2.test](skip/photos/README.md) in photos**" in text
    assert "; s2.test in photos refuted; " in row(text, "| **s2** ")
    for kind in ("png", "svg"):
        assert (published.root / f"settings.{kind}").is_file()


def test_the_verdict_map_has_a_cell_for_each_claim_and_setting(published):
    svg = (published.root / "settings.svg").read_text(encoding="utf-8")
    for claim in load_settings("skip")[0].claims:
        assert svg.count(f"  {claim.id}</text>") == 1
    for text in ("digits", "photos", "supported", "refuted", "inconclusive", "premise unmet"):
        assert svg.count(f">{text}</text>") == 1


def test_verdicts_in_further_settings_are_judged_together_with_all_others(published):
    (alone,) = {verdict.level for verdict in published.alone.verdicts}
    (together,) = {verdict.level for verdict in published.ledger.verdicts}
    assert alone != together
    further = [v for v in published.ledger.verdicts if v.study == "skip/photos"]
    assert len(published.ledger.verdicts) == len(published.alone.verdicts) + len(further)


@needs_browser
def test_the_site_filters_by_setting_and_maps_verdicts(published, tmp_path):
    index = write_committed_site(tmp_path, published.root)
    visible = """return [...document.querySelectorAll('section[data-topic] tbody tr')]
        .filter(r => r.offsetParent).map(r => r.dataset.setting)"""
    with browser() as driver:
        driver.get(index.as_uri())
        everything = driver.execute_script(visible)
        Select(driver.find_element(By.NAME, "setting")).select_by_visible_text("photos")
        shown = driver.execute_script(visible)
        assert set(shown) == {"photos"}
        assert len(shown) == len(load_settings("skip")[0].claims) < len(everything)
        mapped = driver.find_elements(By.CSS_SELECTOR, "#settings + .scroll tbody tr")
        assert len(mapped) == len(shown)
        rows = [row.text for row in mapped]
        assert_alone(driver)
        driver.get((tmp_path / "skip-photos.html").as_uri())
        own = driver.find_elements(By.CSS_SELECTOR, "#settings + .scroll tbody tr")
        assert [row.text for row in own] == rows
        assert "Setting photos" in driver.find_element(By.TAG_NAME, "main").text
        (link,) = driver.find_elements(By.LINK_TEXT, "runs.csv")
        assert link.get_attribute("href").endswith("skip/photos/runs.csv")
        driver.get((tmp_path / "explorer.html").as_uri())
        driver.execute_async_script(DRAWN)
        Select(driver.find_element(By.NAME, "study")).select_by_visible_text("skip/photos")
        assert_alone(driver)
