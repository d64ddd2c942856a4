"""The Gaussian prior on the student's weights, N(theta_p, (2 lambda)^-1 I).

Equation 5 of Vega et al. (AISTATS 2021), theta* = argmin -sum_i log q(x_i, y_i) +
lambda ||theta - theta_p||^2, is a sum over m cases. Divided by m it is the mean loss plus
(lambda/m) ||theta - theta_p||^2, whatever the batch size, with gradient 2 (lambda/m) delta,
delta = theta - theta_p. With Fisher weights F the penalty is lambda sum_j F_j delta_j^2.

theta is every named parameter (weights, biases, normalisation scales and shifts); buffers, such as
running statistics, are never penalised.

Gradient descent on the penalty is stable only while 2 lr lambda/m < 2. Beyond, the penalty is
applied proximally after each update of the loss, delta <- delta / (1 + 2 lr lambda/m), which is
its exact minimiser and stable for every lambda. The step size in that formula must be the one the
loss's own update has at its fixed point, or the optimum moves: lr / (1 - momentum) for SGD, and
per weight lr / (sqrt(v) + eps) for Adam.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError

STIFF = 2.0


@dataclass(frozen=True, eq=False)
class WeightPrior:
    """lam: lambda, 0 to infinity. mean: theta_p by parameter name. layers: patterns of the names that it holds, empty:
    all. exclude: patterns of names that it leaves free.

    fisher: positive weights by parameter name, or None for all 1. proximal: True, False, or None to
    let the optimiser decide: Adam always (its own scaling would distort the penalty's gradient),
    SGD where gradient descent on the penalty would be unstable.

    Raises InputError where lam is negative, a pattern matches nothing or weights are missing.
    """

    lam: float
    mean: dict[str, Tensor]
    layers: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    fisher: dict[str, Tensor] | None = None
    proximal: bool | None = None
    _names: tuple[str, ...] = field(init=False, default=())

    def __post_init__(self) -> None:
        if not self.lam >= 0:
            raise InputError(f"lambda: got {self.lam}, expected 0, a positive number or inf")
        for option in ("layers", "exclude"):
            for pattern in getattr(self, option):
                if not any(fnmatch(name, pattern) for name in self.mean):
                    raise InputError(
                        f"weight prior: {option} {pattern!r} matches no parameter; expected for "
                        f"instance {next(iter(self.mean))!r}"
                    )
        names = tuple(
            n
            for n in self.mean
            if (not self.layers or any(fnmatch(n, pattern) for pattern in self.layers))
            and not any(fnmatch(n, pattern) for pattern in self.exclude)
        )
        object.__setattr__(self, "_names", names)
        if self.fisher is not None:
            for name in names:
                weights = self.fisher.get(name)
                if weights is None or weights.shape != self.mean[name].shape or (weights < 0).any():
                    raise InputError(
                        f"weight prior: Fisher weights of {name!r}: expected non-negative numbers "
                        f"of shape {tuple(self.mean[name].shape)}"
                    )

    @property
    def penalised(self) -> tuple[str, ...]:
        """Names of the parameters it holds."""
        return self._names

    @classmethod
    def around(cls, network: nn.Module, lam: float, **options: Any) -> WeightPrior:
        """The prior centred on the network's present weights."""
        return cls(lam, {n: p.detach().clone() for n, p in network.named_parameters()}, **options)

    def penalty(self, network: nn.Module, cases: float) -> Tensor:
        """(lambda/m) sum_j F_j (theta_j - theta_pj)^2, differentiable. Infinite lam: 0 at theta_p."""
        total = torch.zeros((), dtype=torch.float64)
        for parameter, mean, fisher in self._triples(network):
            delta = parameter - mean
            squared = delta.square() if fisher is None else fisher * delta.square()
            total = total.to(parameter.device) + squared.sum(dtype=torch.float64)
        if math.isinf(self.lam):
            return torch.where(total == 0, total, torch.full_like(total, math.inf))
        return total * (self.lam / cases)

    @torch.no_grad()
    def add_gradient(self, network: nn.Module, cases: float) -> None:
        """Add the penalty's gradient, 2 (lambda/m) F delta, to the gradients already there."""
        for parameter, mean, fisher in self._triples(network):
            if parameter.grad is None:
                continue
            delta = parameter - mean
            parameter.grad.add_(
                delta if fisher is None else delta * fisher, alpha=2 * self.lam / cases
            )

    @torch.no_grad()
    def shrink(self, network: nn.Module, optimiser: torch.optim.Optimizer, cases: float) -> None:
        """The proximal step, after `optimiser` stepped on the loss alone."""
        steps = step_sizes(optimiser)
        for parameter, mean, fisher in self._triples(network):
            if parameter not in steps:
                continue
            stiffness = torch.as_tensor(steps[parameter] * (2 * self.lam / cases))
            if fisher is not None:
                stiffness = stiffness * fisher
            parameter.sub_(mean).div_(1 + stiffness.to(parameter.device)).add_(mean)

    def is_proximal(self, optimiser: torch.optim.Optimizer, lr: float, cases: float) -> bool:
        """Whether `shrink` is to be used, not `add_gradient`."""
        if self.proximal is not None:
            return self.proximal
        if not isinstance(optimiser, torch.optim.SGD):
            return True
        momentum = max(group["momentum"] for group in optimiser.param_groups)
        largest = 1.0
        if self.fisher is not None:
            largest = max(float(self.fisher[n].max()) for n in self._names)
        return lr / (1 - momentum) * 2 * self.lam * largest / cases >= STIFF

    def record(self) -> dict[str, Any]:
        """What student.json says about it."""
        return {
            "lam": self.lam,
            "layers": list(self.layers),
            "exclude": list(self.exclude),
            "fisher": self.fisher is not None,
            "proximal": self.proximal,
            "penalised": sum(self.mean[n].numel() for n in self._names),
        }

    def _triples(self, network: nn.Module) -> Iterator[tuple[nn.Parameter, Tensor, Tensor | None]]:
        parameters = dict(network.named_parameters())
        for name in self._names:
            parameter = parameters[name]
            mean = self.mean[name].to(parameter.device)
            fisher = None if self.fisher is None else self.fisher[name].to(parameter.device)
            yield parameter, mean, fisher


def step_sizes(optimiser: torch.optim.Optimizer) -> dict[nn.Parameter, Tensor | float]:
    """How far each weight moves per unit of a lasting gradient, after the last update."""
    sizes: dict[nn.Parameter, Tensor | float] = {}
    for group in optimiser.param_groups:
        for parameter in group["params"]:
            state = optimiser.state.get(parameter)
            if isinstance(optimiser, torch.optim.SGD):
                sizes[parameter] = group["lr"] / (1 - group["momentum"])
            elif state:
                correction = 1 - group["betas"][1] ** float(state["step"])
                root = (state["exp_avg_sq"] / correction).sqrt_()
                sizes[parameter] = group["lr"] / root.add_(group["eps"])
    return sizes


def diagonal_fisher(gradients: Iterator[dict[str, Tensor]], cases: float) -> dict[str, Tensor]:
    """F_j = mean over cases of the squared gradient of log q, scaled to mean 1 over the weights.

    gradients: per case, by parameter name. The scaling keeps lambda comparable with the
    unweighted prior's.
    """
    total: dict[str, Tensor] = {}
    for gradient in gradients:
        for name, value in gradient.items():
            squared = value.detach().square() / cases
            total[name] = total[name] + squared if name in total else squared
    size = sum(v.numel() for v in total.values())
    mean = sum(float(v.sum()) for v in total.values()) / size
    if mean == 0:
        raise InputError("weight prior: every Fisher weight is 0; train step 1 first")
    return {name: value / mean for name, value in total.items()}
