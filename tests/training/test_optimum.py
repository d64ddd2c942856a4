"""Step 2 of a linear student ends at the optimum of its objective, and says how far it is."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from labelppl.distillation.map_step import map_step
from labelppl.distillation.prior_options import PriorOptions
from labelppl.errors import InputError
from labelppl.targets.hard import Hard
from labelppl.targets.target_data import TargetData
from labelppl.training.optimum import LINEAR_TOLERANCE, distance_to_optimum, reach_optimum
from labelppl.training.schedule import Schedule
from labelppl.training.source import Resident
from labelppl.training.weight_prior import WeightPrior

N, D = 120, 30


def _problem() -> tuple[nn.Module, Resident, TargetData]:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(N, D)) * np.geomspace(3, 0.1, D)
    y = (rng.random(N) < 1 / (1 + np.exp(-x[:, 0] + x[:, 3]))).astype(np.int64)
    network = nn.Sequential(nn.Flatten(), nn.Linear(D, 1))
    with torch.no_grad():
        network[1].weight.copy_(torch.from_numpy(rng.normal(size=(1, D))))
        network[1].bias.fill_(0.3)
    pixels = torch.from_numpy(x).float()[:, None, None, :]
    return network, Resident(pixels, lambda v: v), TargetData(hard=torch.from_numpy(y), classes=2)


def _least(source: Resident, evidence: TargetData, prior: WeightPrior) -> float:
    """The minimum of J by scipy, in float64."""
    x = source.pixels.reshape(N, D).double().numpy()
    y = evidence.hard.numpy()
    mean = np.append(prior.mean["1.weight"].numpy().ravel(), float(prior.mean["1.bias"]))

    def objective(w: np.ndarray) -> tuple[float, np.ndarray]:
        z = x @ w[:-1] + w[-1]
        q = 1 / (1 + np.exp(-z))
        gap = w - mean
        value = (np.logaddexp(0, z) - y * z).sum() + prior.lam * gap @ gap
        return value, np.append(x.T @ (q - y), (q - y).sum()) + 2 * prior.lam * gap

    done = minimize(
        objective,
        mean,
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10},
    )
    return float(done.fun)


@pytest.mark.parametrize("lam", [0.1, 1.0, 10.0])
def test_step_2_ends_within_its_tolerance_of_the_optimum(lam: float) -> None:
    network, source, evidence = _problem()
    prior = WeightPrior.around(network, lam)
    done, optimum = map_step(
        network, source, evidence, Schedule(epochs=5, batch_size=16), prior, PriorOptions(),
        linear=True, device="cpu",
    )  # fmt: skip
    least = _least(source, evidence, prior)
    assert len(done.history) == 5
    assert optimum.rounds > 0
    assert optimum.gap <= LINEAR_TOLERANCE
    assert -1e-6 < optimum.objective - least <= optimum.gap
    assert next(network.parameters()).dtype == torch.float32


@pytest.mark.parametrize("lam", [0.1, 1.0, 10.0])
def test_the_bound_holds_wherever_the_network_is(lam: float) -> None:
    network, source, evidence = _problem()
    prior = WeightPrior.around(network, lam)
    before = {n: p.detach().clone() for n, p in network.named_parameters()}
    at = distance_to_optimum(network, source, evidence, Hard(), prior)
    assert 0 < at.objective - _least(source, evidence, prior) <= at.gap
    assert all(torch.equal(p, before[n]) and p.grad is None for n, p in network.named_parameters())


def test_a_prior_that_leaves_weights_free_has_no_bound() -> None:
    network, source, evidence = _problem()
    for prior in (
        WeightPrior.around(network, 1.0, exclude=("1.bias",)),
        WeightPrior.around(network, 0.0),
    ):
        assert distance_to_optimum(network, source, evidence, Hard(), prior).gap == math.inf
        with pytest.raises(InputError, match="leaves weights free"):
            reach_optimum(network, source, evidence, Hard(), prior, 0.1)
    network[1].bias.requires_grad_(False)  # a frozen weight needs no prior
    held = WeightPrior.around(network, 1.0, exclude=("1.bias",))
    assert distance_to_optimum(network, source, evidence, Hard(), held).gap < math.inf
