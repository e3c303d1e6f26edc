"""The page of bad input says what the command says; a few by default, all of them when slow."""

import pytest
from bad_input import CASES, DOCUMENT, SECTIONS, refusal, row
from omegaconf import OmegaConf

from cnn_anatomy.config.limits import LIMITS, limits
from cnn_anatomy.core.paths import CONF

FEW = [cases[i] for cases in SECTIONS.values() for i in (0, -2) if not cases[i].late]


def holds(case):
    refused = refusal(case)
    assert refused.status == 2, refused.said
    assert not refused.left
    assert "Traceback" not in refused.said
    assert case.late or refused.seconds < 5
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


def numbers(node, path):
    """Yield the dotted key of every number in a file of conf/."""
    for key, value in node.items():
        if isinstance(value, dict):
            yield from numbers(value, f"{path}.{key}")
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield f"{path}.{key}"


def test_every_number_of_the_configuration_has_limits():
    for file in CONF.glob("*/*.yaml"):
        plain = OmegaConf.to_container(OmegaConf.load(file), resolve=False)
        axis = file.parent.name
        if axis in ("hydra", "transfer"):
            continue
        for key in numbers(plain, axis):
            assert limits(key) in LIMITS.values(), f"{key} of {file.name} has no line in limits.py"
