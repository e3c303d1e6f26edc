"""Test images overlaid with their class-activation maps."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from cnn_anatomy.report.figures.canvas import canvas
from cnn_anatomy.results.artifacts import Evidence

MOST_IMAGES = 8
LABEL_CHARACTERS = 16  # in a line of a row's name
PATCH = 7  # side of the patches of which the brightest is a baseline, as in FeatureProbe, pixels
WRONG = "#D55E00"
POINTS: dict[
    str, dict[str, Any]
] = {  # what might find the object: the map, and what needs no network
    "highest of the map": {"marker": "o", "markerfacecolor": "none", "markersize": 8},
    "brightest patch": {"marker": "x", "markersize": 6},
    "centre": {"marker": "+", "markersize": 7},
}


def cam(evidence: Evidence, path: Path, *, variants: Sequence[str]) -> str:
    """Draw a row of images with map and box for the first seed of each of `variants`.

    Reads cam.npz: images uint8 (K, C, H, W), cams (K, h, w), boxes (K, 4) as x0, y0, x1, y1 in
    pixels, labels and predictions (K,).
    """
    maps = {v: a for v in evidence.variants(variants) if (a := evidence.arrays(v, "cam.npz"))}
    if not maps:
        return ""
    columns = min(MOST_IMAGES, max(len(a["images"]) for a in maps.values()))
    with canvas(path, 1.25 * columns + 1.2, 1.6 * len(maps) + 0.4) as figure:
        rows = figure.subplots(len(maps), columns, squeeze=False)
        for row, (variant, arrays) in zip(rows, maps.items(), strict=True):
            for axes in row:
                axes.set(xticks=[], yticks=[])
                axes.grid(visible=False)
                for side in axes.spines.values():
                    side.set_visible(False)
            row[0].set_ylabel(textwrap.fill(variant, LABEL_CHARACTERS))
            shown = arrays["cams"][:columns]
            scale = Normalize(float(shown.min()), float(shown.max()))
            for k, axes in enumerate(row[: len(arrays["images"])]):
                _overlay(axes, arrays, k, scale)
            _add_colour_bar(figure, row, scale)
        marks = {
            label: Line2D([], [], color="0.3", linestyle="", **m) for label, m in POINTS.items()
        }
        figure.legend(marks.values(), marks, loc="outside lower center", ncols=len(marks))
    return (
        "Test images of the first seed with the class-activation map of the predicted class, the "
        "object's box, and the places that the map and two baselines without a network point to; "
        "titles: label → prediction"
    )


def _add_colour_bar(figure: Figure, row: Sequence[Axes], scale: Normalize) -> None:
    """Put a colour bar beside a row of maps."""
    bar = figure.colorbar(ScalarMappable(scale, "inferno"), ax=list(row), pad=0.02)
    bar.set_label("class activation", fontsize=8)


def _overlay(axes: Axes, arrays: dict[str, np.ndarray], k: int, scale: Normalize) -> None:
    image, activation = arrays["images"][k], arrays["cams"][k]
    height, width = image.shape[1:]
    axes.imshow(image[0] if len(image) == 1 else image.transpose(1, 2, 0), cmap="gray")
    axes.imshow(
        activation,
        cmap="inferno",
        norm=scale,
        alpha=0.5,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="bilinear",
    )
    x0, y0, x1, y1 = arrays["boxes"][k] - 0.5
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="w", linewidth=1.2))
    places = (
        peak_place(activation, (height, width)),
        brightest_place(image),
        (height / 2, width / 2),
    )
    for (y, x), mark in zip(places, POINTS.values(), strict=True):
        (point,) = axes.plot(x - 0.5, y - 0.5, color="w", linestyle="", clip_on=False, **mark)
        point.set_path_effects([withStroke(linewidth=2.2, foreground="black")])
    label, prediction = arrays["labels"][k], arrays["predictions"][k]
    colour = "black" if label == prediction else WRONG
    axes.set_title(f"{label} → {prediction}", fontsize=8, color=colour)


def peak_place(activation: np.ndarray, size: tuple[int, int]) -> tuple[float, float]:
    """Return the centre (y, x) of the highest cell of a map (h, w), in pixels of `size` (H, W)."""
    y, x = np.unravel_index(int(activation.argmax()), activation.shape)
    return (
        (float(y) + 0.5) * size[0] / activation.shape[0],
        (float(x) + 0.5) * size[1] / activation.shape[1],
    )


def brightest_place(image: np.ndarray) -> tuple[float, float]:
    """Return the centre (y, x) of the brightest patch of an image (C, H, W), in pixels."""
    grey = np.pad(image.mean(0, dtype=float), PATCH // 2)
    patches = np.lib.stride_tricks.sliding_window_view(grey, (PATCH, PATCH)).mean((2, 3))
    y, x = np.unravel_index(int(patches.argmax()), patches.shape)
    return float(y) + 0.5, float(x) + 0.5
