"""Small pictures of cases, inside the page."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from ..errors import InputError
from ..images.decode import FULL_SCALE, decode

LONGEST = 112
"""Pixels of the longer side."""
QUALITY = 75


def thumbnails(images: Mapping[str, Path], ids: Iterable[str]) -> dict[str, str]:
    """Return data addresses of the pictures of some cases; a case without a readable picture is left out.

    images: case -> image file.
    """
    pictures = {}
    for case in dict.fromkeys(ids):
        if case in images:
            try:
                pictures[case] = thumbnail(images[case])
            except InputError:
                continue
    return pictures


def thumbnail(path: Path) -> str:
    """Return one picture as a JPEG data address. Wide and float pictures are stretched between their extremes.

    Raises InputError where the file cannot be read.
    """
    pixels = decode(path)
    if pixels.dtype != np.uint8:
        low, high = float(pixels.min()), float(pixels.max())
        scale = high - low if high > low else FULL_SCALE[pixels.dtype.name]
        pixels = ((pixels.astype(np.float64) - low) * (255 / scale)).astype(np.uint8)
    image = Image.fromarray(pixels)
    image.thumbnail((LONGEST, LONGEST), Image.Resampling.BILINEAR)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
