"""Batches of normalised images on the training device.

Small sets live decoded in memory, in their stored type, and a batch is one indexed copy on the
device. Large ones are decoded by worker processes: see `stream`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from ..arrays import Ints
from ..images.by_case import rows_of_cases
from ..records import digest
from ..students.pooling import CaseBatch, CaseBatchLike, Pool


class Source(Protocol):
    """Images by the row number of their case."""

    def __len__(self) -> int:
        """How many cases."""

    def take(self, rows: Tensor) -> Source:
        """Some of the cases."""

    def digest(self) -> str:
        """SHA-256 of the images: tells apart runs on other ones."""

    def batches(self, rows: Iterable[Tensor], device: torch.device) -> Iterator[CaseBatchLike]:
        """For each (batch,) of rows, normalised float32 images: (batch, channels, height, width), or a `CaseBatch`."""


class ImageSource(Source, Protocol):
    """Images by row number, one for each case."""

    def take(self, rows: Tensor) -> ImageSource:
        """Some of the images."""

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


class ByCase:
    """Cases that may have several images. images: of all of them, case after case.

    starts: (cases + 1,), where each case's images begin. pool: how their logits become those of the case.
    """

    def __init__(self, images: ImageSource, starts: Ints, pool: Pool) -> None:
        self.images, self.starts, self.pool = images, starts, pool

    def __len__(self) -> int:
        return len(self.starts) - 1

    def take(self, rows: Tensor) -> ByCase:
        """Some of the cases."""
        cases = rows.cpu().numpy()
        counts = np.diff(self.starts)[cases]
        starts = np.concatenate([[0], np.cumsum(counts)])
        images = self.images.take(torch.from_numpy(rows_of_cases(self.starts, cases)))
        return ByCase(images, starts, self.pool)

    def digest(self) -> str:
        """SHA-256 of the images, and of which case each shows."""
        return digest(self.starts, np.array([self.images.digest(), self.pool]))

    def batches(self, rows: Iterable[Tensor], device: torch.device) -> Iterator[CaseBatch]:
        """See `Source`."""
        counts = torch.from_numpy(np.diff(self.starts))
        waiting: deque[Tensor] = deque()

        def rows_of_images() -> Iterator[Tensor]:
            for batch in rows:
                cases = batch.cpu()
                waiting.append(counts[cases])
                yield torch.from_numpy(rows_of_cases(self.starts, cases.numpy()))

        for pixels in self.images.batches(rows_of_images(), device):
            each = waiting.popleft()
            case = torch.arange(len(each)).repeat_interleave(each).to(device)
            yield CaseBatch(pixels, case, len(each), self.pool)


def indexable(pixels: Tensor) -> Tensor:
    """uint16 as int32: CUDA cannot index the former."""
    return pixels.to(torch.int32) if pixels.dtype == torch.uint16 else pixels
