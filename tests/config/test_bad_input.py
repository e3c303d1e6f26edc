"""The page of bad input says what the command says; a few by default, all of them when slow."""

import pytest
from bad_input import CASES, DOCUMENT, SECTIONS, WITHOUT_PYTORCH_SECONDS, refusal, row

FEW = [cases[i] for cases in SECTIONS.values() for i in (0, -2) if not cases[i].late]


def holds(case):
    refused = refusal(case)
    assert refused.status == 2, refused.said
    assert not refused.left
    assert "Traceback" not in refused.said
    assert case.late or refused.seconds < WITHOUT_PYTORCH_SECONDS
    assert row(case, refused) in DOCUMENT.read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("case", FEW, ids=lambda case: case.words)
def test_a_few(case):
    holds(case)


@pytest.mark.slow
@pytest.mark.parametrize("case", [c for c in CASES if c not in FEW], ids=lambda case: case.words)
def test_the_rest(case):
    holds(case)


def test_the_page_has_every_case():
    rows = [x for x in DOCUMENT.read_text(encoding="utf-8").splitlines() if x.startswith("| `")]
    assert len(rows) == len(CASES) >= 40
