"""The matrix of the ledger sums up what claims say of a sentence."""

import pandas as pd
from screenshot import assert_alone, browser, needs_browser
from selenium.webdriver.common.by import By

from cnn_anatomy.core.paths import PUBLISHED
from cnn_anatomy.report.committed import committed_ledger
from cnn_anatomy.report.ledger import judge_sweeps
from cnn_anatomy.report.sentence_matrix import matrix_markdown
from cnn_anatomy.report.site import write_committed_site
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.study import load_study


@needs_browser
def test_the_site_shows_the_matrix(tmp_path):
    index = write_committed_site(tmp_path)
    ledger = committed_ledger()
    with browser() as driver:
        driver.get(index.as_uri())
        driver.find_element(By.LINK_TEXT, "Sentences").click()
        rows = driver.find_elements(By.CSS_SELECTOR, "tbody tr")
        cells = [[c.text for c in row.find_elements(By.TAG_NAME, "td")] for row in rows]
        links = [len(row.find_elements(By.TAG_NAME, "a")) for row in rows]
        assert_alone(driver)
    assert cells == [
        [
            f"{row.key} {row.sentence.text} — {row.sentence.source}",
            "; ".join(f"{v.name} {v.word}" for v in row.verdicts) or "–",
            row.in_sum,
            row.untested,
        ]
        for row in ledger.sentences
    ]
    assert links == [
        sum((PUBLISHED / v.study / "README.md").is_file() for v in row.verdicts)
        for row in ledger.sentences
    ]
    written = (PUBLISHED / "README.md").read_text(encoding="utf-8")
    assert matrix_markdown(ledger.sentences) in written


def test_a_claim_that_denies_a_sentence_speaks_against_it():
    rows = [
        {"variant": f"{depth} {kind}", "seed": seed, "status": "FINISHED",
         "params.inception.depth": depth, "params.inception": kind,
         "metrics.params/total": size, "metrics.macs": size,
         "metrics.test/accuracy": accuracy + seed / 1000}
        for depth in ("3", "5", "7")
        for kind, size, accuracy in (("reduced", 100, 0.6), ("unreduced", 200, 0.9))
        for seed in range(6)
    ]  # fmt: skip
    study = load_study("inception")
    ledger = judge_sweeps([(study, Sweep("inception", "", pd.DataFrame(rows)))])
    matrix = matrix_markdown(ledger.sentences).splitlines()
    (row,) = [line for line in matrix if line.startswith("| **i1** ")]
    assert "i1.parameters supported; i1.compute supported; i1.accuracy_3 supported" in row
    assert "i1.accuracy supported; i1.accuracy_depth refuted" in row
    assert "| 2 for, 3 against |" in row
    (row,) = [line for line in matrix if line.startswith("| **p6** ")]
    assert "| 2 open |" in row


def test_claims_of_a_study_that_was_not_run_count_for_themselves_and_have_no_page(tmp_path):
    study = load_study("separable")
    ledger = judge_sweeps([], ["separable"])
    assert ledger.counts.endswith(f"0 premise unmet, {len(study.claims)} without runs.")
    assert ledger.counts.startswith(f"{len(study.claims)} claims: 0 supported")
    ledger.write(tmp_path)
    written = (tmp_path / "README.md").read_text(encoding="utf-8")
    assert "Not judged, as their runs are not here: separable." in written
    assert "| **c1** " in written
    assert "separable/README.md" not in written
