"""The optimiser of a schedule, with layers that are frozen or have a learning rate of their own.

A pattern names parameters as `fnmatch` reads it: ``"backbone.*"``, ``"*.bias"``. A frozen parameter gets no gradient; its
normalisation layers keep their running statistics. A rate is a factor of the schedule's learning rate.
"""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatch

import torch
from torch import nn

from ..errors import InputError
from .schedule import Schedule

Rates = Sequence[tuple[str, float]]


def make_optimiser(
    network: nn.Module, schedule: Schedule, rates: Rates = ()
) -> torch.optim.Optimizer:
    """The optimiser over all parameters that take a gradient; group["factor"] is the rate's factor.

    rates: (pattern, factor); the first that matches a parameter holds. Raises InputError for a pattern that matches none.
    """
    for pattern, factor in rates:
        matching(network, pattern, "rates")
        if not factor > 0:
            raise InputError(
                f"rates: {pattern}: got {factor:g}, expected a factor > 0; frozen layers go to `frozen`"
            )
    groups: dict[float, list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            factor = next((f for pattern, f in rates if fnmatch(name, pattern)), 1.0)
            groups.setdefault(factor, []).append(parameter)
    if not groups:
        raise InputError("student: every layer is frozen, expected one at least that learns")
    parts = [{"params": some, "factor": factor} for factor, some in groups.items()]
    common = {"lr": schedule.lr, "weight_decay": schedule.weight_decay, "foreach": True}
    if schedule.optimiser == "adam":
        return torch.optim.Adam(parts, **common)
    if schedule.optimiser == "adamw":
        return torch.optim.AdamW(parts, **common)
    momentum = schedule.momentum
    return torch.optim.SGD(parts, momentum=momentum, nesterov=momentum > 0, **common)


def set_rate(optimiser: torch.optim.Optimizer, rate: float) -> None:
    """The learning rate of this update, times each group's factor."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["factor"]


def freeze(network: nn.Module, patterns: Sequence[str]) -> None:
    """Switch off the gradients of the parameters that match. Raises InputError for a pattern that matches none."""
    for pattern in patterns:
        for parameter in matching(network, pattern, "frozen"):
            parameter.requires_grad_(False)


def matching(network: nn.Module, pattern: str, option: str) -> list[nn.Parameter]:
    """The parameters whose names match. Raises InputError where there is none."""
    names = dict(network.named_parameters())
    kept = [p for name, p in names.items() if fnmatch(name, pattern)]
    if not kept:
        raise InputError(
            f"{option}: {pattern!r} matches no parameter of the student; expected for instance {next(iter(names))!r}"
        )
    return kept


def hold_statistics(network: nn.Module, every: bool) -> None:
    """Put normalisation layers in evaluation mode: all of them, or those whose own parameters are frozen."""
    for module in network.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            own = list(module.parameters(recurse=False))
            if every or (own and not any(p.requires_grad for p in own)):
                module.eval()
