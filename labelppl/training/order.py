"""The batches of an epoch and the seeds of its random streams: functions of the run's seed and the
epoch's number alone, so that a resumed run is the same run.
"""

from __future__ import annotations

import math

import numpy as np


def partition(cases: int, batch_size: int) -> list[int]:
    """Batch sizes that sum to `cases`, as few as fit, and differ by one at most."""
    return [len(part) for part in np.array_split(np.empty(cases), math.ceil(cases / batch_size))]


def derived(seed: int, epoch: int, stream: int) -> int:
    """A seed of its own for each stream of each epoch."""
    return int(np.random.SeedSequence([seed, epoch, stream]).generate_state(1, np.uint64)[0] >> 1)
