"""The processes that torchrun started for one training: the first leads, the others do nothing but train.

The leader does what is not training (fits, labels, files, metrics, the report) and shares what the others need. Where no torchrun is
at work there is one process, which leads.
"""

from __future__ import annotations

import atexit
import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed

from ..errors import LeaderFailed

_Result = TypeVar("_Result")

#: How long the others wait for the leader. A fit may take long; where the leader dies, torchrun ends the others at once.
LONGEST_WAIT = timedelta(days=7)


@dataclass(frozen=True)
class Group:
    """This process among those of torchrun. rank: its number. size: how many there are."""

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that does all but training."""
        return self.rank == 0

    def share(self, make: Callable[[], _Result]) -> _Result:
        """What the leader makes; the others wait for it. Where it fails the others end, and the leader says why."""
        if self.size == 1:
            return make()
        if not self.leads:
            return self.receive()
        box: list[tuple[bool, _Result | None]] = [(False, None)]
        try:
            box = [(True, result := make())]
        finally:
            torch.distributed.broadcast_object_list(box, src=0)
        return result

    def receive(self) -> Any:
        """What the leader shares next."""
        box: list[tuple[bool, Any]] = [(False, None)]
        torch.distributed.broadcast_object_list(box, src=0)
        made, result = box[0]
        if not made:
            raise LeaderFailed
        return result

    def in_turn(self, make: Callable[[], _Result]) -> _Result:
        """What each process makes for itself, the leader first, so that an error that all would meet is told once."""
        first: list[_Result] = []
        self.share(lambda: first.append(make()))
        return first[0] if first else make()


def is_distributed() -> bool:
    """Whether torchrun started this process beside others."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1 and "LOCAL_WORLD_SIZE" in os.environ


def join_group() -> Group:
    """Join the processes that torchrun started, if it did: gloo on CPUs, NCCL beside it where there are GPUs."""
    if not is_distributed():
        return Group()
    if not torch.distributed.is_initialized():
        gpus = torch.cuda.is_available() and torch.distributed.is_nccl_available()
        backend = "cpu:gloo,cuda:nccl" if gpus else "gloo"
        torch.distributed.init_process_group(backend, timeout=LONGEST_WAIT)
        atexit.register(_leave)
    return Group(torch.distributed.get_rank(), torch.distributed.get_world_size())


def _leave() -> None:
    """Leave the process group: gloo's threads, still running at exit, would abort the process."""
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()
