"""The heat map of a run's gradients: layers by epochs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_heatmap(frame: pd.DataFrame, path: Path) -> None:
    """Draw log10 RMS of a gradient frame to `path`: layers by epochs, the first untrained."""
    table = frame.pivot_table(index="layer", columns="epoch", values="rms", dropna=False)
    figure = Figure(figsize=(5, 3.5), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    values = np.log10(np.clip(table.to_numpy(dtype=float), 1e-12, None))
    image = axes.imshow(values, aspect="auto", cmap="viridis", interpolation="nearest")
    ticks = np.unique(np.linspace(0, len(table.columns) - 1, 8).round().astype(int))
    epochs = table.columns.to_numpy(dtype=int)[ticks]
    labels = ["untrained" if e < 0 else str(e + 1) for e in epochs]
    axes.set_xticks(ticks, labels)
    axes.set_xlabel("epoch")
    axes.set_ylabel("weight layer, input at the top")
    figure.colorbar(image, label="log₁₀ RMS of ∂L/∂W")
    figure.savefig(path, dpi=110)
