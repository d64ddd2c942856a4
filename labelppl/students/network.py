"""A network by its name: `cnn` is the paper's, `timm:NAME` any timm backbone.

`logistic` is linear in the pixels, zero at first: logistic regression under the same objectives.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from ..errors import InputError
from .cnn import PaperCNN


@dataclass(frozen=True)
class Shape:
    """What a network is built for. channels, height, width: of its images. outputs: its neurons."""

    channels: int
    height: int
    width: int
    outputs: int


def check_student(name: str, weights: Path | None = None) -> None:
    """Raise InputError for a name that no network has, and for starting weights that are not there, before any work."""
    if name.startswith("timm:"):
        from .timm import import_timm_for

        import_timm_for(name.removeprefix("timm:"))
    elif name not in ("cnn", "logistic"):
        raise InputError(f"student: got {name!r}, expected cnn, logistic or timm:NAME")
    elif weights is not None:
        raise InputError(f"student {name}: starting weights are for timm: students only")
    if weights is not None and not weights.is_file():
        raise InputError(
            f"{weights}: no such file; expected a local safetensors file with --weights"
        )


def build_network(
    name: str, shape: Shape, *, seed: int = 0, weights: Path | None = None
) -> nn.Module:
    """A new network in channels-last memory, its random weights by `seed`.

    weights: a local safetensors file of a timm backbone. Raises InputError for an unknown name, for
    images it cannot take and for weights that do not fit.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if name.startswith("timm:"):
            from .timm import timm_network

            network: nn.Module = timm_network(name.removeprefix("timm:"), shape, weights)
        elif weights is not None:
            raise InputError(f"student {name}: starting weights are for timm: students only")
        elif name == "logistic":
            linear = nn.Linear(shape.channels * shape.height * shape.width, shape.outputs)
            nn.init.zeros_(linear.weight)
            nn.init.zeros_(linear.bias)
            network = nn.Sequential(nn.Flatten(), linear)
        elif name == "cnn":
            network = PaperCNN(
                channels=shape.channels,
                height=shape.height,
                width=shape.width,
                outputs=shape.outputs,
            )
        else:
            raise InputError(f"student: got {name!r}, expected cnn, logistic or timm:NAME")
    return network.to(memory_format=torch.channels_last)
