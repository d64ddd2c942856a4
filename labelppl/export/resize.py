"""Pillow's bilinear resize with antialiasing as two matrix products, so that an ONNX file resizes as training did.

One output pixel of a row of `n` input pixels, of `m` in all, has its centre at c = (j + 1/2) n/m. With s = max(1, n/m),

    w_ji = max(0, 1 − |i − c + 1/2| / s),   ⌊c − s + 1/2⌋ ≤ i < ⌊c + s + 1/2⌋,   each row divided by its sum

8-bit pixels are multiplied with w in fixed point of 22 bits and rounded after each of the two passes, across and then
down; wider ones are added in float64 and kept in float32. Both are exact here, because float64 holds every sum.
Source: Pillow, `src/libImaging/Resample.c`.
"""

from __future__ import annotations

import torch
from torch import Tensor

FIXED_POINT = 2.0**22
"""Of Pillow's 8-bit arithmetic."""


def resize(pixels: Tensor, size: tuple[int, int], depth: str, keep_aspect: bool) -> Tensor:
    """Resize images of any size.

    Args:
        pixels: Stored values `(batch, channels, any height, any width)`.
        size: Height and width of the result.
        depth: `uint8`, `uint16` or `float32`.
        keep_aspect: Shrink to fit and pad with black on both sides, instead of stretching.

    Returns:
        Stored values `(batch, channels, height, width)`, float64; those that `labelppl.images.decode.resize_picture` gives.

    Examples:
        >>> resize(torch.tensor([[[[0, 100], [100, 200]]]]), (1, 1), "uint8", False).tolist()
        [[[[100.0]]]]
    """
    rows, columns = _indices(pixels, 2), _indices(pixels, 3)
    height, width = rows[-1] + 1, columns[-1] + 1
    inner_height, inner_width = (torch.tensor(float(n), dtype=torch.float64) for n in size)
    if keep_aspect:
        scale = torch.minimum(inner_height / height, inner_width / width)
        inner_height = (height * scale).round().clamp(min=1)
        inner_width = (width * scale).round().clamp(min=1)
    across = _weights(columns, width, inner_width, size[1], depth)
    down = _weights(rows, height, inner_height, size[0], depth)
    wide = _round(pixels.to(torch.float64) @ across.T, depth)
    tall = _round(down @ wide, depth)
    return tall.round() if depth == "uint16" else tall


def _indices(pixels: Tensor, axis: int) -> Tensor:
    """0, 1, … along an axis whose length only the picture knows."""
    return torch.arange(pixels.shape[axis], dtype=torch.float64)


def _weights(i: Tensor, length: Tensor, inner: Tensor, outer: int, depth: str) -> Tensor:
    """w (outer, length) float64, times 2^22 in whole numbers for 8 bits; rows of the margin are 0."""
    margin = torch.floor((outer - inner) / 2)
    j = torch.arange(outer, dtype=torch.float64)[:, None] - margin
    scale = length / inner
    support = scale.clamp(min=1)
    centre = (j + 0.5) * scale
    first = torch.floor(centre - support + 0.5)
    behind = torch.floor(centre + support + 0.5)
    w = (1 - ((i - centre + 0.5) / support).abs()).clamp(min=0)
    w = w * ((i >= first) & (i < behind) & (j >= 0) & (j < inner)).to(torch.float64)
    total = w.sum(1, keepdim=True)
    w = w / torch.where(total > 0, total, torch.ones_like(total))
    return torch.floor(w * FIXED_POINT + 0.5) if depth == "uint8" else w


def _round(sums: Tensor, depth: str) -> Tensor:
    """What Pillow keeps after a pass."""
    if depth == "uint8":
        return torch.floor((sums + FIXED_POINT / 2) / FIXED_POINT).clamp(0, 255)
    return sums.to(torch.float32).to(torch.float64)
