"""lambda by the data-emphasised bound: its closed forms, its optimum by quadrature, and what it does in a job."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from labelppl.distillation.distill import distill
from labelppl.distillation.distilled import Distilled
from labelppl.distillation.lam_bound import (
    FIRST_SIGMA,
    LearnedPrior,
    best_lam,
    bound_schedule,
    emphasis,
    kl_at_best_prior,
)
from labelppl.distillation.prior_options import PriorOptions
from labelppl.errors import InputError
from labelppl.seeds import stream
from labelppl.softlabels import SoftLabels
from labelppl.table import Cases
from labelppl.targets.base import TargetData
from labelppl.targets.hard import Hard
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.training.train import train
from labelppl.training.weight_prior import WeightPrior

Study = Callable[..., tuple[SoftLabels, Cases]]
PRIOR_LOGIT = math.log(0.73 / 0.27)


class Constant(nn.Module):
    """One weight: the same logit for every image."""

    def __init__(self) -> None:
        super().__init__()
        self.logit = nn.Parameter(torch.tensor([PRIOR_LOGIT]))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.logit.expand(len(images), 1)


def test_closed_forms() -> None:
    assert kl_at_best_prior(0.5, 0.01, 1000) == pytest.approx(895.87973, abs=5e-6)
    assert emphasis(1000, 100) == 10
    assert best_lam(0.5, 0.01, 1000, 100) == pytest.approx(83.3333, abs=1e-3)


def test_data_count_once_at_least() -> None:
    assert emphasis(99, 100) == emphasis(100, 100) == 1
    assert emphasis(101, 100) == pytest.approx(1.01)


def test_the_kl_is_that_of_two_gaussians_at_the_prior_which_makes_it_smallest() -> None:
    moved, sigma, size = 0.7, 0.2, 5

    def kl(variance: float) -> float:
        ratio = sigma**2 / variance
        return (size * (ratio - 1 - math.log(ratio)) + moved / variance) / 2

    best = 1 / (2 * best_lam(moved, sigma, size, 100))
    assert kl_at_best_prior(moved, sigma, size) == pytest.approx(kl(best), rel=1e-12)
    assert kl(best) < min(kl(best * 1.01), kl(best / 1.01))


def _optimum(positive: int, negative: int) -> float:
    """lambda at the optimum of the bound of one weight, by Gauss-Hermite quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(61)
    weights = weights / weights.sum()

    def loss(at: np.ndarray) -> float:
        z = PRIOR_LOGIT + at[0] + math.exp(at[1]) * nodes
        nll = weights @ (positive * np.logaddexp(0, -z) + negative * np.logaddexp(0, z))
        return float(nll) + kl_at_best_prior(at[0] ** 2, math.exp(at[1]), 1)

    starts = [(-0.5, -3.0), (-1.0, -1.0), (-1.0, 0.0)]
    options = {"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000}
    best = min(
        (minimize(loss, start, method="Nelder-Mead", options=options) for start in starts),
        key=lambda done: float(done.fun),
    )
    return best_lam(best.x[0] ** 2, math.exp(best.x[1]), 1, positive + negative)


@pytest.mark.parametrize(("positive", "negative"), [(20, 30), (200, 300)])
def test_training_reaches_the_optimum_of_the_bound(positive: int, negative: int) -> None:
    hard = torch.tensor([1] * positive + [0] * negative)
    network = Constant()
    prior = LearnedPrior(WeightPrior.around(network, 0.0), stream(0, "bound"))
    schedule = Schedule(epochs=600, batch_size=len(hard), lr=0.05, decay="constant")
    images = Resident(torch.zeros(len(hard), 1, 1, 1), lambda x: x)
    seen = []
    shrink = prior.shrink

    def keep(*args: object) -> None:
        shrink(*args)  # type: ignore[arg-type]
        seen.append(math.log(prior.chosen))

    object.__setattr__(prior, "shrink", keep)
    train(
        network,
        images,
        TargetData(hard=hard, classes=2),
        Hard(),
        schedule,
        prior=prior,
        device="cpu",
    )
    late = np.asarray(seen[300:])
    blocks = late.reshape(10, -1).mean(1)  # successive values depend on each other
    error = blocks.std(ddof=1) / math.sqrt(len(blocks))
    assert late.mean() == pytest.approx(
        math.log(_optimum(positive, negative)), abs=4 * error + 0.05
    )


def test_sigma_starts_small_and_the_first_gradient_has_no_noise() -> None:
    network = Constant()
    prior = LearnedPrior(WeightPrior.around(network, 0.0), stream(0, "bound"))
    assert prior.sigma == pytest.approx(FIRST_SIGMA)
    assert prior.noise == []


def test_it_takes_half_of_the_epochs_of_step_2_and_two_at_least() -> None:
    assert bound_schedule(Schedule(epochs=20)).epochs == 10
    assert bound_schedule(Schedule(epochs=2)).epochs == 2


def test_fisher_weights_are_refused() -> None:
    with pytest.raises(InputError, match="Fisher"):
        PriorOptions(lam="evidence", fisher=True)
    around = WeightPrior.around(Constant(), 1.0)
    with pytest.raises(InputError, match="Fisher"):
        LearnedPrior(replace(around, fisher={"logit": torch.ones(1)}), stream(0, "bound"))


def test_a_job_by_the_evidence_holds_nothing_out(study: Study, tmp_path: Path) -> None:
    labels, cases = study(40, test=10)
    quick = {"schedule": Schedule(epochs=2), "student": "logistic", "device": "cpu", "seed": 3}
    done = distill(labels, cases, lam="evidence", out=tmp_path / "run", **quick)
    again = distill(labels, cases, lam="evidence", **quick)
    choice = done.choice
    assert choice is not None
    assert choice.source == "evidence"
    assert choice.cases == choice.nll == choice.mean == ()
    assert 0 < choice.lam < math.inf
    assert again.choice is not None
    assert again.choice.lam == choice.lam
    assert done.student.spec.training["prior"]["lam"] == choice.lam
    assert done.student.spec.training["lam"]["source"] == "evidence"
    assert Distilled.load(tmp_path / "run").choice == choice
