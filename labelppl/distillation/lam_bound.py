"""lambda without folds, by a data-emphasised lower bound of the evidence, in half of step 2's epochs.

Around the weights theta stands q = N(theta, sigma^2 I), around theta_p the prior N(theta_p, v I), v = 1/(2 lambda). With m
cases, D weights and kappa = max(1, D/m), the loss

    mean over cases of E_q[-log q(y | x)]  +  KL(q || prior) / (kappa m)

counts the data kappa times, without which a network with more weights than cases would stay at theta_p (Harvey et al. 2025,
arXiv 2502.01861). The best v for given theta and sigma is v* = (|theta - theta_p|^2 + D sigma^2) / D, which leaves

    KL = (D/2) log(1 + |theta - theta_p|^2 / (D sigma^2)).

theta and sigma are learned together, with one draw of the noise for each update. Since the data were counted kappa times,
the lambda of step 2, which counts them once, is 1 / (2 v* kappa). Bounds of different kappa are not comparable, so the value
itself is not told.
"""

from __future__ import annotations

import copy
import math
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import InputError
from ..seeds import Stream
from ..training.schedule import Schedule
from ..training.weight_prior import WeightPrior
from .function_prior import StepTwoPrior
from .lam import FEWEST_EPOCHS, Job, LamChoice

FIRST_SIGMA = 1e-4
SIGMA_RATE = 0.1
"""Of Adam, on log sigma: from `FIRST_SIGMA` to 1e-2 takes some 50 updates."""
SHARE = 0.5
"""Of step 2's epochs."""


def emphasis(weights: int, cases: float) -> float:
    """kappa, how often the data count; never less than once."""
    return max(1.0, weights / cases)


def kl_at_best_prior(moved: float, sigma: float, weights: int) -> float:
    """KL(q || prior) in nats at the best v; moved: |theta - theta_p|^2."""
    return weights / 2 * math.log1p(moved / (weights * sigma**2))


def best_lam(moved: float, sigma: float, weights: int, cases: float) -> float:
    """The lambda of step 2, 1 / (2 v* kappa)."""
    best_variance = (moved + weights * sigma**2) / weights
    return 1 / (2 * best_variance * emphasis(weights, cases))


class LearnedPrior(WeightPrior):
    """A weight prior that learns its own lambda while it is in force, for the trainer of step 2.

    Between two updates the network holds theta plus noise, so that the trainer's gradient is the one at a draw of q;
    `shrink`, which follows the update, takes the noise away, applies the prior at its present lambda, learns sigma and
    draws anew. The network is of no use afterwards.
    """

    def __init__(self, around: StepTwoPrior, noise: Stream) -> None:
        """Raises InputError unless it is the plain prior on weights: sigma is the same for all of them."""
        if not isinstance(around, WeightPrior) or around.fisher is not None:
            raise InputError(
                "lambda: evidence: got Fisher weights or a prior on predictions, expected the plain prior on weights; "
                "choose --lam auto"
            )
        super().__init__(1.0, around.mean, around.layers, around.exclude, proximal=True)
        self.weights = sum(self.mean[name].numel() for name in self.penalised)
        self.log_sigma = torch.tensor(
            math.log(FIRST_SIGMA), dtype=torch.float64, requires_grad=True
        )
        self.sigma_step = torch.optim.Adam([self.log_sigma], lr=SIGMA_RATE)
        self.generator = noise.torch()
        self.noise: list[Tensor] = []
        self.chosen = math.inf

    @property
    def sigma(self) -> float:
        """The standard deviation of q."""
        return float(self.log_sigma.detach().exp())

    @torch.no_grad()
    def shrink(self, network: nn.Module, optimiser: torch.optim.Optimizer, cases: float) -> None:
        """The prior's step on theta, then sigma's, then a new draw."""
        triples = list(self._triples(network))
        slope, sigma = 0.0, self.sigma
        for (parameter, _, _), noise in zip(triples, self.noise, strict=bool(self.noise)):
            if parameter.grad is not None:
                slope += float((parameter.grad * noise).sum())
            parameter.sub_(noise, alpha=sigma)
        lam = best_lam(self._moved(triples), sigma, self.weights, cases)
        WeightPrior(lam, self.mean, self.layers, self.exclude).shrink(network, optimiser, cases)
        moved = self._moved(triples)
        ratio = moved / (self.weights * sigma**2)
        pull = self.weights / (emphasis(self.weights, cases) * cases) * ratio / (1 + ratio)
        self.log_sigma.grad = torch.tensor(sigma * slope - pull, dtype=torch.float64)
        self.sigma_step.step()
        self.chosen = best_lam(moved, self.sigma, self.weights, cases)
        self.noise = [
            torch.randn(mean.shape, generator=self.generator, dtype=mean.dtype).to(parameter)
            for parameter, mean, _ in triples
        ]
        for (parameter, _, _), noise in zip(triples, self.noise, strict=True):
            parameter.add_(noise, alpha=self.sigma)

    @staticmethod
    def _moved(triples: list[Any]) -> float:
        return sum(
            float((parameter - mean).square().sum(dtype=torch.float64))
            for parameter, mean, _ in triples
        )


def choose_by_bound(job: Job, theta_p: nn.Module, noise: Stream) -> LamChoice:
    """Learn lambda on a copy of theta_p and all training cases; no case is held out."""
    network = copy.deepcopy(theta_p)
    prior = LearnedPrior(job.prior(network, job.source, job.evidence), noise)
    job.step2(network, job.source, job.evidence, prior, bound_schedule(job.schedule))
    return LamChoice(prior.chosen, (prior.chosen,), (), (), (), "evidence", False)


def bound_schedule(schedule: Schedule) -> Schedule:
    """A share of step 2's epochs, two at least."""
    epochs = max(FEWEST_EPOCHS, math.ceil(SHARE * schedule.epochs))
    return replace(schedule, epochs=epochs, patience=None)
