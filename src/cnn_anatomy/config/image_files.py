"""Image files: which ones Pillow opens, and their pixels as a person sees them."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from cnn_anatomy.core.errors import ConfigError

MAXIMUM_8_BIT, MAXIMUM_16_BIT = 255, 65535
# Pillow names these formats but leaves their pixels to programs that are seldom there.
UNDECODED = {"BUFR", "EPS", "GRIB", "HDF5", "MPEG", "WMF"}


@cache
def suffixes() -> frozenset[str]:
    """Return the suffixes, in lower case, of the formats that Pillow decodes."""
    formats = Image.registered_extensions()
    return frozenset(
        suffix.lower()
        for suffix, name in formats.items()
        if name in Image.OPEN and name not in UNDECODED
    )


def read_rgb(path: Path) -> Image.Image:
    """Return an image's first frame in 8-bit RGB, as a viewer shows it.

    The rotation in its EXIF data is applied, what is transparent lies on white, and 16-bit pixels
    are scaled to 8 bits. Floating-point pixels are of the range 0 to 1.

    Raises:
        ConfigError: if the file can't be decoded, or its pixels have no known range.
    """
    try:
        with Image.open(path) as file:
            file.load()
            return as_rgb(ImageOps.exif_transpose(file))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError) as error:
        raise ConfigError(f"data.source.root: {path} is no readable image ({error})") from error


def as_rgb(image: Image.Image) -> Image.Image:
    """Convert an image of any of Pillow's modes.

    Raises:
        ValueError: if its pixels have no known range.
    """
    if image.mode.startswith("I;16"):
        return _grey(np.asarray(image).astype(np.uint32), MAXIMUM_16_BIT)
    if image.mode == "I":  # what Pillow makes of some 16-bit files, too
        pixels = np.asarray(image)
        if pixels.min() < 0 or pixels.max() > MAXIMUM_16_BIT:
            raise ValueError("its pixels have 32 bits, of unknown range: save it with 8 or 16")
        return _grey(pixels, MAXIMUM_16_BIT)
    if image.mode == "F":
        pixels = np.asarray(image)
        if not (pixels.min() >= 0 and pixels.max() <= 1):
            raise ValueError("its floating-point pixels are not between 0 and 1")
        return _grey(pixels, 1)
    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        converted = ImageCms.profileToProfile(image, lab, srgb, outputMode="RGB")
        assert converted is not None
        return converted
    if image.has_transparency_data:
        shown = image.convert("RGBA")
        background = Image.new("RGBA", shown.size, "white")
        return Image.alpha_composite(background, shown).convert("RGB")
    return image.convert("RGB")


def _grey(pixels: np.ndarray, maximum: float) -> Image.Image:
    """Scale pixels (H, W) from 0 … `maximum` to 0 … 255, rounded."""
    scaled = np.rint(pixels.astype(np.float64) * MAXIMUM_8_BIT / maximum)
    return Image.fromarray(scaled.astype(np.uint8)).convert("RGB")
