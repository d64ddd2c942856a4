"""Image sets larger than memory: worker processes decode the batches to come, in the trainer's order.

A batch is decoded as a whole by one worker and handed over in its stored type; normalisation
happens on the device, as for a set in memory, so that the weights come out the same bit for bit.
No more than two batches per worker wait at any time. The workers draw no random numbers.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..errors import FailedWork, InputError
from ..images.files import Files
from ..images.memory import available_memory
from ..records import digest_of_files
from .source import indexable

MEMORY_SHARE = 0.25
MOST_WORKERS = 16


class Streamed:
    """See `Source`. files: decoded when asked. normalise: stored values -> float32 network input.

    workers: processes that decode, 0 = this one.
    """

    def __init__(self, files: Files, normalise: Callable[[Tensor], Tensor], workers: int) -> None:
        self.files = files
        self.normalise = normalise
        self.workers = workers

    def __len__(self) -> int:
        return len(self.files)

    def take(self, rows: Tensor) -> Streamed:
        """Some of the images."""
        return Streamed(self.files.take(rows.cpu().numpy()), self.normalise, self.workers)

    def digest(self) -> str:
        """SHA-256 of the files."""
        return digest_of_files(self.files.paths)

    def batches(self, rows: Iterable[Tensor], device: torch.device) -> Iterator[Tensor]:
        """See `Source`. Raises InputError for a file that can no longer be read."""
        loader: DataLoader[Tensor] = DataLoader(
            _Decoder(self.files),
            batch_sampler=(batch.tolist() for batch in rows),
            num_workers=self.workers,
            collate_fn=_whole,
            pin_memory=device.type == "cuda",
            generator=torch.Generator(),  # else it would draw from the trainer's random numbers
        )
        fetched = iter(loader)
        while True:
            try:
                batch = next(fetched)
            except StopIteration:
                return
            except RuntimeError as error:
                raise FailedWork(
                    f"images: a worker process that decodes them died ({_first_line(error)}); give "
                    "it more memory (/dev/shm included), or fewer workers"
                ) from error
            if isinstance(batch, str):
                raise InputError(batch)
            yield self.normalise(batch.to(device, non_blocking=True))


class _Decoder(Dataset[Tensor]):
    """Batches as DataLoader's workers fetch them. A refusal travels as its sentence: an exception
    would arrive wrapped in the worker's traceback.
    """

    def __init__(self, files: Files) -> None:
        self.files = files

    def __getitems__(self, rows: list[int]) -> Tensor | str:
        try:
            pixels = [self.files.load(row) for row in rows]
        except InputError as error:
            return str(error)
        return indexable(torch.from_numpy(np.stack(pixels)))


def memory_limit(device: torch.device, stream: bool | None) -> float:
    """Bytes of decoded pixels from which a set is streamed: a quarter of the memory available.

    stream: True streams always, False never. On a GPU, a quarter of its free memory if that is
    less. The rest is for the copies that folds and evaluation make, and for the network.
    """
    if stream is not None:
        return -1 if stream else math.inf
    free = available_memory()
    if device.type == "cuda":
        free = min(free, torch.cuda.mem_get_info(device)[0])
    return MEMORY_SHARE * free


def default_workers() -> int:
    """All cores of this process but one, shared among the training processes of the machine."""
    try:
        cores = len(os.sched_getaffinity(0))
    except AttributeError:
        cores = os.cpu_count() or 1
    local = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return max(1, min(MOST_WORKERS, cores // local - 1))


def _whole(batch: Tensor | str) -> Tensor | str:
    return batch


def _first_line(error: RuntimeError) -> str:
    return str(error).strip().splitlines()[0]
