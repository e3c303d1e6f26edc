"""Images of any kind and size as uint8 arrays of one size."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from PIL import Image

from cnn_anatomy.config.image_files import as_rgb

GREY_MODES = ("1", "L")  # of Pillow: one channel, of at most 8 bits
CHANNELS = (1, 2, 3, 4)  # that tell a last axis of channels from a first one
ROUNDING = 1e-4  # by which floating-point pixels may leave the range from 0 to 1

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


def centre_cropped(image: Image.Image, size: int) -> Image.Image:
    """Resize an image so that its shorter side has `size` pixels, and crop its centre."""
    if image.size == (size, size):
        return image
    scale = size / min(image.size)
    width, height = (max(size, round(side * scale)) for side in image.size)
    image = image.resize((width, height), Image.Resampling.BILINEAR)
    left, top = (width - size) // 2, (height - size) // 2
    return image.crop((left, top, left + size, top + size))


def to_pixels(image: Any, size: int | None) -> Pixels:
    """Return an image as uint8 (C, H, W), resized and cropped to `size` unless that is None.

    Args:
        image: of Pillow; or a tensor (C, H, W) or (H, W); or an array (H, W, C) or (H, W). Whole
            numbers are from 0 to 255, floating-point numbers from 0 to 1.
        size: of both sides, in pixels.

    Raises:
        ValueError: if it is no such image; its message says why.
    """
    if isinstance(image, Image.Image):
        shown = image.convert("L") if image.mode in GREY_MODES else as_rgb(image)
        pixels = np.asarray(shown if size is None else centre_cropped(shown, size))
        return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
    if isinstance(image, torch.Tensor):
        array = image.detach().cpu().numpy()
    elif isinstance(image, np.ndarray):
        array = image
        if array.ndim == 3 and array.shape[-1] in CHANNELS:
            array = array.transpose(2, 0, 1)
    else:
        raise ValueError(
            f"its image is a {type(image).__name__}, and not a Pillow image, a tensor or an array"
        )
    if array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or 0 in array.shape:
        shape = "×".join(map(str, image.shape))
        raise ValueError(f"its image has the shape {shape}, and not channels, height and width")
    array = _to_uint8(array)
    if size is None:
        return array
    bands = [np.asarray(centre_cropped(Image.fromarray(band), size)) for band in array]
    return np.stack(bands)


def _to_uint8(array: np.ndarray[Any, Any]) -> Pixels:
    if array.dtype == np.uint8:
        return array
    if not (array.dtype == bool or np.issubdtype(array.dtype, np.number)):
        raise ValueError(f"its image holds no numbers, but {array.dtype}")
    low, high = float(array.min()), float(array.max())
    if np.issubdtype(array.dtype, np.floating):
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):
            raise ValueError(
                f"its pixels go from {low:.3g} to {high:.3g}, and not from 0 to 1: leave "
                "normalisation to the data module"
            )
        return np.rint(array.clip(0, 1) * 255).astype(np.uint8)
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    if low < 0 or high > 255:
        raise ValueError(f"its pixels go from {low:.0f} to {high:.0f}, and not from 0 to 255")
    return array.astype(np.uint8)
