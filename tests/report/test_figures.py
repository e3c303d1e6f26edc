"""Figures: one look a variant, names that do not overlap, every seed and interval drawn."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from matplotlib import colormaps
from matplotlib.figure import Figure
from PIL import Image

from cnn_anatomy.report.figures.cam import brightest_place, peak_place
from cnn_anatomy.report.figures.gradients import SHOWN_DECADES, run_heatmap
from cnn_anatomy.report.figures.lines import draw_lines, label_ends, spread_apart
from cnn_anatomy.report.figures.style import COLOURS, Encoding
from cnn_anatomy.report.figures.variants import families, short_names
from cnn_anatomy.results.artifacts import Evidence
from cnn_anatomy.results.run_files import KeptFiles
from cnn_anatomy.results.runs import Sweep
from cnn_anatomy.studies.paper import load_paper


def labels(**axes):
    """Return the variants of a grid with the value of every axis."""
    cells = [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    return {" ".join(f"{k}={v}" for k, v in cell.items()): cell for cell in cells}


def test_an_axis_has_its_colour_another_its_line_a_third_its_marker():
    variants = labels(depth=("20", "56", "110"), skip=("none", "identity"), norm=("none", "batch"))
    encoding = Encoding(variants)
    for axis, dimension in (("depth", "colour"), ("skip", "line"), ("norm", "marker")):
        by_value = {}
        for variant, values in variants.items():
            by_value.setdefault(values[axis], set()).add(getattr(encoding.look(variant), dimension))
        assert all(len(styles) == 1 for styles in by_value.values())
        assert len(set.union(*by_value.values())) == len(by_value)
    names = [text for _, text in encoding.legend(list(variants))]
    assert names == [
        "depth",
        "20",
        "56",
        "110",
        "skip",
        *("none", "identity"),
        *("norm", "none"),
        "batch",
    ]


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c", "d"]), st.integers(1, 5).map(range), min_size=1
    ).map(lambda axes: labels(**{k: [str(i) for i in v] for k, v in axes.items()}))
)
def test_variants_look_different(variants):
    encoding = Encoding(variants)
    shown = list(variants)[: 3 * len(COLOURS)]
    looks = {encoding.look(variant) for variant in shown}
    assert len(looks) == len(shown)


def test_a_single_axis_is_named_with_its_values():
    variants = labels(pooling=("max", "avg"), norm=("batch",))
    names = [Encoding(variants).name(variant) for variant in variants]
    assert names == ["pooling=max", "pooling=avg"]
    assert Encoding({"a b": {"variant": "a b"}, "c": {"variant": "c"}}).name("a b") == "a b"


def test_networks_of_a_paper_are_families_that_differ_in_depth_alone():
    paper = load_paper("he2015", "short")
    runs = [
        {"variant": run.variant, "seed": 0, "overrides": list(run.overrides), "status": "MISSING"}
        for run in paper.runs([0])
    ]
    evidence = Evidence(paper, Sweep(paper.name, "", pd.DataFrame(runs)), KeptFiles(Path()))
    names = {variant: name for variant, (name, _) in families(evidence, "model.depth").items()}
    assert names == {
        **dict.fromkeys(("Plain-20", "Plain-56"), "skip=none"),
        **dict.fromkeys(("ResNet-20", "ResNet-56"), "skip=identity"),
    }


@given(st.lists(st.floats(-2, 2), min_size=1, max_size=12), st.floats(0.01, 0.3))
def test_names_keep_their_order_and_a_gap(places, gap):
    spread = spread_apart(places, gap)
    order = np.argsort(places, kind="stable")
    assert (np.diff(np.array(spread)[order]) >= gap * 0.999).all()
    assert np.mean(spread) == pytest.approx(np.mean(places), abs=1e-6)
    if len(places) > 1 and np.diff(np.sort(places)).min() >= gap:
        assert spread == pytest.approx(places)


def test_a_line_shows_its_seeds_its_mean_and_an_interval():
    axes = Figure().add_subplot()
    curves = [pd.Series({1: 1.0, 2: 2.0}), pd.Series({1: 3.0, 2: 2.0}), pd.Series({1: 2.0})]
    ends = draw_lines(axes, Encoding.of_lines(["a", "b"]), {"a": curves, "b": [pd.Series()]})
    assert ends == {"a": (2.0, 2.0, COLOURS[0])}
    *seeds, mean = [list(line.get_ydata()) for line in axes.lines]
    assert len(seeds) == 3
    assert mean == [2.0, 2.0]
    (band,) = axes.collections
    half = 4.302653 / np.sqrt(3)  # Student's t for 3 values whose standard deviation is 1
    assert band.get_paths()[0].get_extents().ymax == pytest.approx(2 + half, rel=1e-5)


def test_names_stand_beside_the_axes_at_their_lines():
    axes = Figure().add_subplot()
    ends = draw_lines(
        axes,
        Encoding.of_lines(["a", "b"]),
        {"a": [pd.Series({0: 0.0, 1: 1.0})], "b": [pd.Series({0: 0.0, 1: 1.01})]},
    )
    label_ends(axes, ends)
    low, high = axes.texts
    assert (low.get_text(), high.get_text()) == ("a", "b")
    assert low.xyann[0] > 1
    assert high.xyann[1] - low.xyann[1] > 0.02


def test_places_on_an_image():
    image = np.zeros((1, 16, 16), dtype=np.uint8)
    image[0, 4:11, 2:9] = 200
    image[0, 0, 15] = 255
    assert brightest_place(image) == (7.5, 5.5)
    assert peak_place(np.array([[0.0, 1.0], [0.0, 0.0]]), (8, 8)) == (2.0, 6.0)


def test_names_leave_out_what_all_share():
    names = short_names(["depth=56 skip=none", "depth=56 skip=identity"])
    assert list(names.values()) == ["skip=none", "skip=identity"]
    assert short_names(["depth=56"]) == {"depth=56": "depth=56"}


def test_the_heatmap_of_a_run_has_the_colours_of_the_figures(tmp_path):
    """A decade is a step of the colour map."""
    decades = {0.0: (-3.0, -2.0), 0.5: (-4.5, -2.5), 1.0: (-9.0, -4.0)}
    rows = [
        (epoch, depth, log_rms)
        for depth, by_epoch in decades.items()
        for epoch, log_rms in zip((-1, 0), by_epoch, strict=True)
    ]
    run_heatmap(pd.DataFrame(rows, columns=["epoch", "depth", "log_rms"]), tmp_path / "gradients")
    (file,) = tmp_path.iterdir()
    assert file.name == "gradients.png"
    picture = np.asarray(Image.open(file).convert("RGB"), dtype=float)
    for log_rms in (-2, -2.5, -3, -4, -4.5):
        colour = 255 * np.array(colormaps["cividis"]((log_rms + 2 + SHOWN_DECADES) / SHOWN_DECADES))
        near = np.abs(picture - colour[:3]).max(-1) < 2
        assert near.mean() > 0.02, log_rms  # of the picture


def test_a_run_without_any_gradient_has_no_heatmap(tmp_path):
    run_heatmap(pd.DataFrame(columns=["epoch", "depth", "log_rms"]), tmp_path / "gradients")
    assert list(tmp_path.iterdir()) == []
