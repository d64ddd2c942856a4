"""The state of a training run after an epoch, in one safetensors file.

Tensors and their JSON record are one file, replaced by an atomic rename, so that a run killed at
any moment leaves the last whole epoch. Random numbers need no state of their own: every epoch
derives its generators from the seed and the epoch's number.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ..errors import InputError
from ..students.tensor_files import write_tensors


class Checkpoint(NamedTuple):
    """record: plain JSON values. The rest: tensors by name."""

    record: dict[str, Any]
    network: dict[str, Tensor]
    optimiser: dict[str, Tensor]
    target: dict[str, Tensor]
    best: dict[str, Tensor]
    average: dict[str, Tensor]


def write(path: Path, checkpoint: Checkpoint) -> None:
    """Replace `path` by this state."""
    tensors = {
        f"{part}/{name}": value.detach().cpu().contiguous().clone()
        for part in Checkpoint._fields[1:]
        for name, value in getattr(checkpoint, part).items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_tensors(path, tensors, {"record": json.dumps(checkpoint.record)})


def read(path: Path) -> Checkpoint | None:
    """The state in `path`, or None where there is none. Raises InputError for a damaged file."""
    if not path.is_file():
        return None
    parts: dict[str, dict[str, Tensor]] = {part: {} for part in Checkpoint._fields[1:]}
    try:
        with safe_open(path, framework="pt") as file:
            record = json.loads(file.metadata()["record"])
            for key in file.keys():  # noqa: SIM118 - not a mapping
                part, _, name = key.partition("/")
                parts[part][name] = file.get_tensor(key)
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: is not a checkpoint of ours ({error}); remove it") from error
    return Checkpoint(record, **parts)


def optimiser_state(optimiser: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What the optimiser remembers, by the position of the parameter and the name of the value."""
    return {
        f"{i}/{name}": value
        for i, parameter in enumerate(_parameters(optimiser))
        for name, value in optimiser.state.get(parameter, {}).items()
        if isinstance(value, Tensor)
    }


def restore_optimiser(optimiser: torch.optim.Optimizer, saved: dict[str, Tensor]) -> None:
    """The inverse of `optimiser_state`, in the parameters' own memory layout and on their device."""
    parameters = _parameters(optimiser)
    for key, value in saved.items():
        position, _, name = key.partition("/")
        parameter = parameters[int(position)]
        if value.shape == parameter.shape:
            optimiser.state[parameter][name] = torch.empty_like(parameter).copy_(value)
        else:
            optimiser.state[parameter][name] = value.clone()


def _parameters(optimiser: torch.optim.Optimizer) -> list[nn.Parameter]:
    return [p for group in optimiser.param_groups for p in group["params"]]
