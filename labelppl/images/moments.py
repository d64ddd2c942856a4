"""Mean and standard deviation per channel, exact whatever the order and wherever the pixels live.

Sums of values and of squares are integers for integer pixels and sums of exact fractions of
per-image float64 sums for float pixels, so that a set kept in memory and one decoded on demand are
normalised with the same bits.
"""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np

from ..arrays import Array

RANGE_ROUNDING = 1e-12


class Moments:
    """Of images (channels, height, width), greyscale and colour ones mixed."""

    def __init__(self) -> None:
        self._count = 0
        self._rounded = False
        self._sums = [Fraction(0)] * 3
        self._squares = [Fraction(0)] * 3

    def add(self, image: Array) -> None:
        """One more image; a single channel counts for all three."""
        self._count += image.shape[1] * image.shape[2]
        self._rounded |= image.dtype.kind == "f"
        sums = [_sums(channel) for channel in image]
        for i in range(3):
            value, square = sums[i if len(sums) == 3 else 0]
            self._sums[i] += value
            self._squares[i] += square

    def mean_std(
        self, channels: int, full_scale: float
    ) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Per channel, in units of the full scale. A single constant colour has sd 0 exactly."""
        means, sds = [], []
        for i in range(channels):
            mean = self._sums[i] / self._count
            square = self._squares[i] / self._count
            variance = square - mean * mean
            if variance < 0 or (self._rounded and variance < RANGE_ROUNDING * square):
                variance = Fraction(0)  # float sums carry the rounding of one image each
            means.append(float(mean) / full_scale)
            sds.append(math.sqrt(variance) / full_scale)
        return tuple(means), tuple(sds)


def _sums(channel: Array) -> tuple[Fraction, Fraction]:
    """Sum of values and of squares of (height, width)."""
    if channel.dtype.kind == "u":
        wide = channel.astype(np.uint64).ravel()
        return Fraction(int(wide.sum())), Fraction(int(wide @ wide))
    flat = np.ascontiguousarray(channel, np.float64).ravel()
    return Fraction(float(flat.sum())), Fraction(float(np.square(flat).sum()))
