"""The moving average of a network's weights (Polyak and Juditsky 1992; `Schedule.ema`).

After update n, average <- d average + (1 - d) weights with d = min(decay, (1 + n) / (10 + n)), so that the first updates do
not hang on to the random start. Buffers of whole numbers (counts of batches) are copied.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """The average of `network`'s weights and buffers, from its present ones on."""

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.updates = 0
        self.values = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after an update."""
        self.updates += 1
        share = 1 - min(self.decay, (1 + self.updates) / (10 + self.updates))
        for name, value in network.state_dict().items():
            if value.is_floating_point():
                self.values[name].lerp_(value, share)
            else:
                self.values[name].copy_(value)

    @contextmanager
    def in_force(self, network: nn.Module) -> Iterator[None]:
        """`network` holds the average inside the block and its own weights again afterwards."""
        own = {k: v.detach().clone() for k, v in network.state_dict().items()}
        network.load_state_dict(self.values)
        try:
            yield
        finally:
            network.load_state_dict(own)

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps."""
        return {**self.values, "updates": torch.tensor(self.updates)}

    def restore(self, state: dict[str, Tensor]) -> None:
        """The inverse of `state`."""
        self.updates = int(state.pop("updates"))
        for name, value in state.items():
            self.values[name].copy_(value)
