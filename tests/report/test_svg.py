"""Compact SVG files: the same paths, the same look."""

import io
import re

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import rc_context
from matplotlib.figure import Figure
from PIL import Image
from screenshot import browser, needs_browser

from cnn_anatomy.report.figures.canvas import STYLE
from cnn_anatomy.report.figures.svg import UNITS, compact_path, compact_svg

PLACES = st.tuples(*[st.floats(-2000, 2000, allow_subnormal=False)] * 2)
LENGTHS = {"L": 1, "Q": 2, "C": 3}  # places of a command


@st.composite
def subpaths(draw):
    """Return a subpath as a list of commands with their places."""
    words = draw(st.lists(st.sampled_from("LQC"), min_size=1, max_size=6))
    lines = [(w, [draw(PLACES) for _ in range(LENGTHS[w])]) for w in words]
    closed = [("z", [])] if draw(st.booleans()) else []
    return [("M", [draw(PLACES)]), *lines, *closed]


def followed(path):
    """Return the commands and places of a compact path, as the SVG standard reads it."""
    commands, start, last = [], np.zeros(2), np.zeros(2)
    for word, text in re.findall(r"([mlcqz])([^mlcqz]*)", path):
        steps = np.array(re.findall(r"-?(?:\d+\.?\d*|\.\d+)", text), dtype=float).reshape(-1, 2)
        if word == "z":
            commands.append(("z", []))
            last = start
        size = LENGTHS.get(word.upper(), 1)
        for i in range(0, len(steps), size):
            places = last + steps[i : i + size]
            # Further places after m are those of lines.
            name = "L" if word == "m" and i else word.upper()
            commands.append((name, places))
            last = places[-1]
            start = last if name == "M" else start
    return commands


@given(
    st.lists(subpaths(), min_size=1, max_size=4).map(
        lambda parts: [c for part in parts for c in part]
    )
)
def test_a_path_of_steps_goes_through_the_same_places(commands):
    text = "\n".join(f"{w} {' '.join(f'{v:f}' for p in ps for v in p)}" for w, ps in commands)
    again = followed(compact_path(text))
    assert [word for word, _ in again] == [word for word, _ in commands]
    for (_, places), (_, wanted) in zip(again, commands, strict=True):
        # However long the path, its places are off by no more than their own rounding.
        assert np.allclose(places, wanted, rtol=0, atol=0.51 / UNITS)


def raw_svg():
    """Return a figure with all kinds of element, as Matplotlib writes it."""
    with rc_context(fname=STYLE):
        figure = Figure(figsize=(7, 3), layout="constrained")
        lines, picture = figure.subplots(1, 2)
        x = np.linspace(0, 6, 50)
        for k in range(4):
            lines.plot(x, np.sin(x + k), "--o" if k % 2 else "-", label=f"line {k} <&>")
        lines.fill_between(x, -0.5, np.cos(x), alpha=0.2)
        lines.set(xlabel="time", ylabel="size")
        lines.legend()
        picture.imshow(np.arange(16).reshape(4, 4))
        picture.annotate("highest", (3, 3), (0, 1), arrowprops={"arrowstyle": "->"})
        file = io.StringIO()
        figure.savefig(file, format="svg")
    return file.getvalue()


def test_a_figure_is_less_than_half_as_large_and_keeps_its_words():
    raw = raw_svg()
    compact = compact_svg(raw)
    assert len(compact) < 0.5 * len(raw)
    texts = re.findall(r"<text[^>]*>([^<]*)</text>", raw)
    assert re.findall(r"<text[^>]*>([^<]*)</text>", compact) == texts
    assert "line 3 &lt;&amp;&gt;" in texts
    assert compact_svg(raw_svg()) == compact  # same runs, same bytes


@needs_browser
def test_a_figure_looks_the_same(tmp_path):
    raw, shots = raw_svg(), []
    with browser() as driver:
        for name, text in (("raw", raw), ("compact", compact_svg(raw)), ("none", "<svg/>")):
            page = tmp_path / f"{name}.html"
            page.write_text(text, encoding="utf-8")
            driver.get(page.as_uri())
            shot = Image.open(io.BytesIO(driver.get_screenshot_as_png())).convert("RGB")
            shots.append(np.asarray(shot, dtype=float))
    # A line that moves by a hundredth of a point changes the edge of its pixels a little.
    assert np.abs(shots[0] - shots[1]).mean() < 0.1
    assert np.abs(shots[0] - shots[2]).mean() > 2
