"""A prior on what the student says, in place of one on its weights.

    theta* = argmin  - sum over labelled cases of log q_theta(x_i, y_i)
                     + beta sum over training images of KL(q_theta_p(x_j) || q_theta(x_j))

Equation 5 of Vega et al. (2021) keeps the *weights* near theta_p; this keeps the *predictions* near those of theta_p, on
unlabelled images too, and lets weights move that change no prediction. It comes from the function-space empirical Bayes of
Rudner et al. (2023, arXiv 2312.17162), whose mean function is zero and whose weights shrink to zero; here the mean is theta_p
and no weight is shrunk, for N(theta_p, I/(2 lambda)) already implies a prior on functions and would count theta_p twice.

theta_p looks at the same augmented pixels as the student, with its statistics frozen.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..errors import InputError
from ..records import network_record
from ..students.pooling import CaseBatchLike, case_logits
from ..targets.base import Target, promote
from ..targets.hard import Hard
from ..targets.target_data import TargetData
from ..training.weight_prior import WeightPrior


@dataclass(frozen=True, eq=False)
class FunctionPrior:
    """lam: beta above, 0 to infinity, which takes lambda's place. theta_p: the network that it is centred on.

    Raises InputError where lam is negative.
    """

    lam: float
    theta_p: nn.Module

    def __post_init__(self) -> None:
        if not self.lam >= 0:
            raise InputError(f"beta: got {self.lam}, expected 0, a positive number or inf")

    @classmethod
    def around(cls, network: nn.Module, lam: float) -> FunctionPrior:
        """The prior centred on what the network says now."""
        return cls(lam, copy.deepcopy(network).eval())

    def target(self) -> HardNear:
        """What step 2 learns under it."""
        return HardNear(self)

    def record(self) -> dict[str, Any]:
        """What student.json says about it."""
        return {
            "space": "predictions",
            "lam": self.lam,
            "theta_p": network_record(self.theta_p)["weights"],
        }


StepTwoPrior: TypeAlias = WeightPrior | FunctionPrior
"""What holds step 2 near theta_p."""


def goal_under(prior: StepTwoPrior) -> tuple[Target, WeightPrior | None]:
    """What step 2 learns, and the weight prior that the trainer applies."""
    if isinstance(prior, FunctionPrior):
        return prior.target(), None
    return Hard(), prior


class HardNear(Target):
    """The hard label where there is one, and beta KL(q_theta_p || q_theta) for every image.

    Rows: the one-hot label, zeros where there is none, then q_theta_p at the pixels of this batch.
    """

    name = "hard-near"

    def __init__(self, prior: FunctionPrior) -> None:
        self.prior = prior

    def record(self) -> dict[str, Any]:
        return {"target": self.name, **self.prior.record()}

    def usable(self, evidence: TargetData) -> Tensor:
        return torch.ones(len(evidence), dtype=torch.bool, device=evidence.hard.device)

    def start(self, evidence: TargetData) -> Tensor:
        self.prior.theta_p.to(evidence.hard.device).eval()
        labelled = (evidence.hard >= 0)[:, None]
        return functional.one_hot(evidence.hard.clamp_min(0), evidence.classes) * labelled.double()

    def complete(self, seen: CaseBatchLike, targets: Tensor) -> Tensor:
        with torch.no_grad():
            near = promote(case_logits(self.prior.theta_p, seen)).softmax(1)
        return torch.cat([targets, near.to(targets)], 1)

    def loss(self, logits: Tensor, target: Tensor, rows: Tensor) -> Tensor:
        log_q = functional.log_softmax(promote(logits), dim=1)
        hard, near = target.to(log_q.dtype).chunk(2, dim=1)
        kl = (torch.xlogy(near, near) - near * log_q).sum(1)
        return self.prior.lam * kl - (hard * log_q).sum(1)
