"""Variational inference: exact on Gaussians within its rank, refused where it is too narrow."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelppl.inference.svi import _guide, _near_mode, _shifts, svi


def test_mean_field_is_exact_on_independent_scales(
    gaussian: Callable[[Tensor, Tensor], Any],
) -> None:
    sd = torch.logspace(-2, 2, 30, dtype=torch.float64)
    mean = torch.linspace(-5, 5, 30, dtype=torch.float64)
    found = svi(gaussian(mean, torch.diag(sd**2)), steps=400, rank=0, seed=0)
    assert found.ok, found.problems
    weights, points = found.log_weights.exp()[0], found.points[0]
    assert float(weights.sum()) == pytest.approx(1, abs=1e-9)
    ess = found.diagnostics["ess"]
    assert float((((weights @ points) - mean) / sd).abs().max()) < 4 / math.sqrt(ess)
    spread = (weights @ (points - weights @ points).square()).sqrt() / sd
    assert float((spread - 1).abs().max()) < 4 / math.sqrt(2 * 0.5 * ess)


def test_mean_field_refuses_a_strong_correlation_that_low_rank_takes(
    gaussian: Callable[[Tensor, Tensor], Any],
) -> None:
    density = gaussian(torch.zeros(2).double(), torch.tensor([[1.0, 0.995], [0.995, 1.0]]).double())
    assert not svi(density, steps=400, rank=0, seed=0).ok
    found = svi(density, steps=600, rank=2, seed=0)
    assert found.ok, found.problems


def test_agrees_with_reference_draws_or_refuses(
    reference: Any, agree: Callable[[Any, Any], None]
) -> None:
    if reference.density.coordinates[0] == "mu[1]":
        pytest.skip("a thousand cases; the other engines are compared on it")
    found = svi(reference.density, steps=1000, seed=0)
    if "tau" not in reference.density.coordinates:
        assert found.ok, found.problems
    if found.ok:
        agree(reference, found)


def test_units_are_those_of_the_curvature(gaussian: Callable[[Tensor, Tensor], Any]) -> None:
    sd = torch.logspace(-2, 2, 6, dtype=torch.float64)
    density = gaussian(sd, torch.diag(sd**2))
    centre, unit = _near_mode(density, torch.zeros(6).double(), torch.Generator().manual_seed(0))
    # Random signs are exact where the Hessian is diagonal.
    torch.testing.assert_close(unit, sd, rtol=1e-6, atol=0)
    assert float(((centre - sd) / sd).abs().max()) < 0.1


@pytest.mark.parametrize("rank", [0, 2])
def test_the_guides_density_is_that_of_its_draws(rank: int) -> None:
    generator = torch.Generator().manual_seed(0)
    log_scale = torch.tensor([0.0, 0.5, -1.0], dtype=torch.float64)
    factor = torch.randn(3, rank, generator=generator, dtype=torch.float64)
    covariance = torch.diag((2 * log_scale).exp()) + factor @ factor.mT
    shifts = _shifts(log_scale, factor, 20_000, generator)
    sd = covariance.diagonal().sqrt()
    off = (torch.cov(shifts.mT) - covariance) / (sd[:, None] * sd)
    assert float(off.abs().max()) < 5 * math.sqrt(2 / 20_000)
    mean = torch.ones(3, dtype=torch.float64)
    expected = torch.distributions.MultivariateNormal(mean, covariance).log_prob(shifts[:50])
    torch.testing.assert_close(_guide(mean, log_scale, factor).log_prob(shifts[:50]), expected)


def test_a_fit_cut_short_is_told(gaussian: Callable[[Tensor, Tensor], Any]) -> None:
    class Far:
        dim = 1
        coordinates = ("x",)
        numbers = 1

        def log_prob(self, u: Tensor) -> Tensor:
            return torch.distributions.StudentT(torch.tensor(1.0).double(), 1e6).log_prob(u[:, 0])

        def start(self, n: int, seed: int) -> Tensor:
            return torch.zeros(n, 1, dtype=torch.float64)

        def prior_draws(self, n: int, seed: int) -> Tensor:
            return self.start(n, seed)

    assert not svi(Far(), steps=20).ok


def test_same_seed_same_draws(correlated: tuple[Any, Tensor, Tensor]) -> None:
    first, again, other = (svi(correlated[0], steps=20, draws=50, seed=s) for s in (3, 3, 4))
    assert torch.equal(first.points, again.points)
    assert torch.equal(first.log_weights, again.log_weights)
    assert not torch.equal(first.points, other.points)
