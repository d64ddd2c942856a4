"""How far step 2 is from the optimum of its objective, and the way there.

Equation 5 of Vega et al. (AISTATS 2021) is J(theta) = sum_i w_i loss_i + lambda sum_j F_j (theta_j - theta_pj)^2, a sum over
the cases in nats. Where the losses are convex around theta, which holds everywhere for a linear student, the prior makes J
strongly convex with modulus 2 lambda min F, so that

    J(theta) - min J  <=  |grad J|^2 / (4 lambda min F)

(Boyd and Vandenberghe 2004, equation 9.9). L-BFGS on the whole training set, in float64 and in evaluation mode, goes on
until the bound is below the tolerance. Images are not augmented here: an augmented objective has no fixed optimum.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..students.pooling import case_logits
from ..targets.base import Target
from ..targets.target_data import TargetData
from .held import EVALUATION_BATCH
from .source import Source
from .weight_prior import WeightPrior

ROUNDS = 50  #: of L-BFGS, each of up to 20 updates
LINEAR_TOLERANCE = 0.01


@dataclass(frozen=True)
class Optimum:
    """objective: J, nats summed over the cases. gradient: the norm of its gradient. gap: the bound on J - min J, inf where
    the prior does not hold every weight. rounds: of L-BFGS that were spent.
    """

    objective: float
    gradient: float
    gap: float
    rounds: int = 0

    def record(self) -> dict[str, Any]:
        """What student.json says about it."""
        return asdict(self)


def optimum_in_words(record: Mapping[str, Any]) -> str:
    """Where step 2 ended, one sentence; record: of an `Optimum`."""
    value, norm, gap = (float(record[name]) for name in ("objective", "gradient", "gap"))
    ended = f"step 2 ended at {value:.4g} nats, with a gradient of norm {norm:.2g}"
    if math.isinf(gap):
        return (
            f"{ended}; its prior leaves weights free, so that nothing bounds how far the optimum is"
        )
    if gap >= value:  # no objective of ours is below 0
        return f"{ended}, too large to bound how far the optimum is"
    return f"{ended}: at most {gap:.2g} nats above its optimum where the loss is convex"


class Objective:
    """J of one network over the usable cases. See the module."""

    def __init__(
        self,
        network: nn.Module,
        source: Source,
        evidence: TargetData,
        target: Target,
        prior: WeightPrior,
    ) -> None:
        usable = target.usable(evidence)
        self.network, self.target, self.prior = network, target, prior
        self.device = next(network.parameters()).device
        self.source = source.take(usable.nonzero().squeeze(1).cpu())
        kept = evidence.take(usable).to(self.device)
        self.targets, self.weights = target.start(kept), kept.row_weights()
        self.learning = [p for p in network.parameters() if p.requires_grad]
        names = {n for n, p in network.named_parameters() if p.requires_grad}
        least = 0.0
        if names <= set(prior.penalised):
            least = (
                1.0 if prior.fisher is None else min(float(prior.fisher[n].min()) for n in names)
            )
        self.modulus = 2 * prior.lam * least

    def value_and_gradient(self) -> float:
        """J; its gradient is left in the parameters."""
        for parameter in self.learning:
            parameter.grad = None
        self.network.eval()
        total = 0.0
        rows = torch.arange(len(self.source)).split(EVALUATION_BATCH)
        kind = self.learning[0].dtype
        for at, x in zip(rows, self.source.batches(rows, self.device), strict=True):
            where = at.to(self.device)
            losses = self.target.loss(
                case_logits(self.network, x.to(kind)), self.targets[where], where
            )
            if self.weights is not None:
                losses = losses * self.weights[where].to(losses)
            losses.sum().backward()
            total += float(losses.detach().double().sum())
        penalty = self.prior.penalty(self.network, 1)
        penalty.backward()
        return total + float(penalty.detach())

    def measure(self, rounds: int = 0) -> Optimum:
        """Where the network is now."""
        value = self.value_and_gradient()
        norm = math.sqrt(
            sum(float(p.grad.double().square().sum()) for p in self.learning if p.grad is not None)
        )
        gap = norm**2 / (2 * self.modulus) if self.modulus > 0 else math.inf
        for parameter in self.learning:
            parameter.grad = None
        return Optimum(value, norm, gap, rounds)


def distance_to_optimum(
    network: nn.Module, source: Source, evidence: TargetData, target: Target, prior: WeightPrior
) -> Optimum:
    """How far `network` is from the optimum; it stays as it is."""
    return Objective(network, source, evidence, target, prior).measure()


def reach_optimum(
    network: nn.Module,
    source: Source,
    evidence: TargetData,
    target: Target,
    prior: WeightPrior,
    tolerance: float,
) -> Optimum:
    """Move `network` to the optimum, in place. Raises InputError where no bound says when it is there."""
    kind = next(network.parameters()).dtype
    network.double()
    objective = Objective(network, source, evidence, target, prior)
    if objective.modulus == 0:
        raise InputError(
            "tolerance: the weight prior leaves weights free (lambda = 0, free layers or a Fisher weight of 0), so that "
            "nothing says how far the optimum is; leave --tolerance out"
        )
    at = objective.measure()
    for spent in range(1, ROUNDS + 1):
        if at.gap <= tolerance:
            break
        _round(objective)
        at = objective.measure(spent)
    network.to(kind)
    return at


def _round(objective: Objective) -> None:
    optimiser = torch.optim.LBFGS(
        objective.learning, line_search_fn="strong_wolfe", tolerance_grad=0, tolerance_change=0
    )

    def closure() -> Tensor:
        return torch.tensor(objective.value_and_gradient(), dtype=torch.float64)

    optimiser.step(closure)
