"""The batches of an epoch."""

from __future__ import annotations

import math

import numpy as np


def partition(cases: int, batch_size: int) -> list[int]:
    """Batch sizes that sum to `cases`, as few as fit, and differ by one at most."""
    return [len(part) for part in np.array_split(np.empty(cases), math.ceil(cases / batch_size))]
