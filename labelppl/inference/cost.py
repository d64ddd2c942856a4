"""What an engine will cost: seconds and bytes, from the time of one gradient on this machine.

    seconds = calls x time of the gradient of a batch,    bytes = points x numbers x 8 x arrays alive at once

The calls are each engine's usual ones (`Work`), so that the estimate is good to a factor of two or three, not better.
"""

from __future__ import annotations

import time
from typing import NamedTuple

import torch

from .base import Density, Work, rows_at_once
from .hmc import state_at

#: Arrays of the size of one evaluation that autograd holds at once, as measured on the zoo's models.
ALIVE = 12


class Cost(NamedTuple):
    """An engine's estimated seconds and bytes."""

    seconds: float
    bytes: float

    def __str__(self) -> str:
        """About 40 s, 120 MB."""
        return f"about {in_time(self.seconds)}, {in_bytes(self.bytes)}"


def estimate(density: Density, work: Work, seed: int) -> Cost:
    """Time one gradient of a batch of ``work.points`` points, after one that warms up."""
    points = density.start(2, seed)[torch.arange(work.points) % 2]
    for _ in range(2):
        began = time.perf_counter()
        state_at(density, points)
        seconds = time.perf_counter() - began
    alive = min(work.points, rows_at_once(density)) * density.numbers
    return Cost(work.calls * seconds, 8.0 * ALIVE * alive)


def in_time(seconds: float) -> str:
    """Seconds as read: ``0.4 s``, ``40 s``, ``12 min``, ``3.1 h``."""
    if seconds < 90:
        return f"{seconds:.1f} s" if seconds < 9.5 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def in_bytes(size: float) -> str:
    """Bytes as read: ``3 MB``, ``1.2 GB``."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{max(1.0, size / 1e6):.0f} MB"
