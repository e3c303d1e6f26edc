"""Test images overlaid with their class-activation maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from cnn_anatomy.report.figures.canvas import canvas
from cnn_anatomy.results.artifacts import Evidence

MOST_IMAGES = 8


def cam(evidence: Evidence, path: Path, *, variants: Sequence[str]) -> str:
    """Draw a row of images with map and box for the first seed of each of `variants`.

    Reads cam.npz: images uint8 (K, C, H, W), cams (K, h, w), boxes (K, 4) as x0, y0, x1, y1 in
    pixels, labels and predictions (K,).
    """
    maps = {v: a for v in evidence.variants(variants) if (a := evidence.arrays(v, "cam.npz"))}
    if not maps:
        return ""
    columns = min(MOST_IMAGES, max(len(a["images"]) for a in maps.values()))
    with canvas(path, 1.25 * columns + 0.4, 1.6 * len(maps)) as figure:
        rows = figure.subplots(len(maps), columns, squeeze=False)
        for row, (variant, arrays) in zip(rows, maps.items(), strict=True):
            for axes in row:
                axes.set(xticks=[], yticks=[])
                axes.grid(visible=False)
                for side in axes.spines.values():
                    side.set_visible(False)
            row[0].set_ylabel(variant)
            for k, axes in enumerate(row[: len(arrays["images"])]):
                _overlay(axes, arrays, k)
    return (
        "Test images of the first seed with the class-activation map of the predicted class "
        "(bright: high) and the object's box; titles: label → prediction"
    )


def _overlay(axes: Axes, arrays: dict[str, np.ndarray], k: int) -> None:
    image = arrays["images"][k]
    height, width = image.shape[1:]
    axes.imshow(image[0] if len(image) == 1 else image.transpose(1, 2, 0), cmap="gray")
    axes.imshow(
        arrays["cams"][k],
        cmap="inferno",
        alpha=0.5,
        extent=(-0.5, width - 0.5, height - 0.5, -0.5),
        interpolation="bilinear",
    )
    x0, y0, x1, y1 = arrays["boxes"][k] - 0.5
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor="w", linewidth=1.2))
    label, prediction = arrays["labels"][k], arrays["predictions"][k]
    axes.set_title(f"{label} → {prediction}", fontsize=8)
