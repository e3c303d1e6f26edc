"""The forest plot of the ledger shows every claim once, at its place and in its colour."""

import re
from xml.etree import ElementTree

import pytest

from cnn_anatomy.report.figures.forest import COLOURS, forest
from cnn_anatomy.report.figures.svg import SVG
from cnn_anatomy.results.statistics import Estimate
from cnn_anatomy.results.verdicts import Verdict
from cnn_anatomy.studies.claim import Claim

MATTERS = 0.02


def verdict(name, effect, error=0.0005):
    """Return the verdict on a claim whose effect is `effect` times what matters."""
    claim = Claim(
        id=name,
        statement=f"Statement {name}.",
        source="someone",
        metric="test/accuracy",
        better="higher",
        treatment={"variant": "a"},
        control={"variant": "b"},
        matters=MATTERS,
    )
    estimate = None if effect is None else Estimate(effect * MATTERS, error, 20.0, 11)
    return Verdict("skip", claim, False, (0.0, 0.0), estimate)


def marks(svg):
    """Return the place (x, y) and the colour of every circle and triangle of claims."""
    root = ElementTree.fromstring(svg)
    styles = dict(re.findall(r"\.(\w+)\{([^}]*)\}", "".join(root.itertext())))
    uses = [(u, u.get("style") or styles[u.get("class")]) for u in root.iter(f"{{{SVG}}}use")]
    fills = [(u, re.match(r"fill:(#\w{6})", style)) for u, style in uses]
    return [(float(u.get("x")), float(u.get("y")), fill[1]) for u, fill in fills if fill]


def test_claims_are_placed_by_effect_and_coloured_by_verdict(tmp_path):
    effects = {"a": -2, "b": 1, "c": 2, "d": 20, "e": 1e6, "f": 1e7}
    topics = {"Some": [verdict(n, e) for n, e in effects.items()], "Other": [verdict("g", None)]}
    assert forest(topics, tmp_path / "claims").startswith("Every claim's effect")
    assert (tmp_path / "claims.png").is_file()
    svg = (tmp_path / "claims.svg").read_text(encoding="utf-8")
    for text in (*topics, *(f"Statement {name}.  {name}" for name in "abcdefg")):
        assert svg.count(f">{text}</text>") == 1
    places = [m for m in marks(svg) if m[2] in {"#0072b2", "#d55e00", "#737373"}][:6]
    xs, ys, colours = zip(*places, strict=True)
    assert list(xs[:5]) == sorted(set(xs[:5]))
    assert xs[4] == xs[5]  # both beyond the end of the scale
    assert list(ys) == sorted(set(ys))
    supported = COLOURS["supported"].lower()
    assert list(colours) == [COLOURS["refuted"].lower(), "#737373", *[supported] * 4]


@pytest.mark.parametrize("topics", [{}, {"Some": [verdict("a", None)]}])
def test_nothing_is_drawn_without_runs(tmp_path, topics):
    assert forest(topics, tmp_path / "claims") == ""
    assert not list(tmp_path.iterdir())
