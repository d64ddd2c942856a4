"""Batches of normalised images on the training device.

Small sets live decoded in memory, in their stored type, and a batch is one indexed copy on the
device. Large ones are decoded by worker processes: see `stream`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import torch
from torch import Tensor

from ..records import digest


class Source(Protocol):
    """Images by row number."""

    def __len__(self) -> int:
        """How many images."""

    def take(self, rows: Tensor) -> Source:
        """Some of the images."""

    def digest(self) -> str:
        """SHA-256 of the images: tells apart runs on other ones."""

    def batches(self, rows: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
        """Normalised float32 images (batch, channels, height, width) for each (batch,) of rows."""


class Resident:
    """Images held in memory: pixels (images, channels, height, width) in their stored type.

    normalise: stored values -> float32 network input.
    """

    def __init__(self, pixels: Tensor, normalise: Callable[[Tensor], Tensor]) -> None:
        self.pixels = pixels
        self.normalise = normalise

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, rows: Tensor) -> Resident:
        """Some of the images."""
        return Resident(self.pixels[rows], self.normalise)

    def digest(self) -> str:
        """SHA-256 of the stored pixels."""
        return digest(self.pixels.cpu().numpy())

    def batches(self, rows: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
        """See `Source`. The whole set moves to the device at the first call and stays there."""
        if self.pixels.device != device:
            self.pixels = indexable(self.pixels).to(device)
        for batch in rows:
            yield self.normalise(self.pixels[batch.to(device)])


def indexable(pixels: Tensor) -> Tensor:
    """uint16 as int32: CUDA cannot index the former."""
    return pixels.to(torch.int32) if pixels.dtype == torch.uint16 else pixels
