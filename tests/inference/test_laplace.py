"""Laplace with PSIS: right where it claims, refusing where it cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelppl.inference.laplace import laplace


def test_gaussian_moments_and_evidence(correlated: tuple[Any, Tensor, Tensor]) -> None:
    density, mean, covariance = correlated
    found = laplace(density, seed=1)
    assert found.ok
    weights = found.log_weights.exp()[0]
    assert float(weights.sum()) == pytest.approx(1, abs=1e-9)
    points = found.points[0]
    sd = covariance.diagonal().sqrt()
    ess = found.diagnostics["ess"]
    middle = weights @ points
    assert float(((middle - mean) / sd).abs().max()) < 4 / math.sqrt(ess)
    spread = (weights[:, None] * (points - middle)).T @ (points - middle)
    off = (spread - covariance) / (sd[:, None] * sd)
    # A covariance in units of the SDs has a standard error of at most sqrt(2 / ess); 210 of them.
    assert float(off.abs().max()) < 5 * math.sqrt(2 / ess)
    evidence = 10 * math.log(2 * math.pi) + 0.5 * float(torch.logdet(covariance))
    assert found.diagnostics["log_evidence"] == pytest.approx(evidence, abs=4 / math.sqrt(ess))


def test_agrees_with_reference_draws_or_refuses(
    reference: Any, agree: Callable[[Any, Any], None]
) -> None:
    for seed in range(3):
        found = laplace(reference.density, seed=seed)
        if "tau" in reference.density.coordinates:
            assert not found.ok, "eight schools is not near normal"
        else:
            assert found.ok, found.problems
            agree(reference, found)


@pytest.mark.parametrize("dim", [2, 3, 5, 10])
def test_refuses_the_funnel(funnel: Callable[[int], Any], dim: int) -> None:
    for seed in range(5):
        assert not laplace(funnel(dim), seed=seed).ok


@pytest.mark.parametrize("gap", [3.0, 6.0])
def test_starts_that_disagree_are_a_problem(bimodal: Callable[[float], Any], gap: float) -> None:
    found = laplace(bimodal(gap), seed=0)
    assert any("another mode" in problem for problem in found.problems)


def test_same_seed_same_draws(reference: Any) -> None:
    first, again, other = (laplace(reference.density, draws=200, seed=s) for s in (3, 3, 4))
    assert torch.equal(first.points, again.points)
    assert torch.equal(first.log_weights, again.log_weights)
    assert not torch.equal(first.points, other.points)


def test_the_global_generator_is_left_alone(correlated: tuple[Any, Tensor, Tensor]) -> None:
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    laplace(correlated[0], draws=200)
    assert torch.equal(torch.rand(3), expected)


def test_few_draws_are_refused(correlated: tuple[Any, Tensor, Tensor]) -> None:
    found = laplace(correlated[0], draws=80)  # and four times as many do not suffice
    assert any("effective draws" in problem for problem in found.problems)


def test_without_a_mode_it_says_so() -> None:
    class Flat:
        dim = 2
        coordinates = ("a", "b")

        def log_prob(self, u: Tensor) -> Tensor:
            return (u * 0).sum(-1)

        def start(self, n: int, seed: int) -> Tensor:
            return torch.zeros(n, 2, dtype=torch.float64)

    found = laplace(Flat())
    assert found.problems == ("4 of 4 starts reached no mode",)
    assert found.khat is None


def test_progress_reaches_the_end(correlated: tuple[Any, Tensor, Tensor]) -> None:
    told: list[tuple[int, int]] = []
    laplace(correlated[0], draws=2500, progress=lambda done, total: told.append((done, total)))
    assert told[-1] == (2500, 2500)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_too_few_effective_draws_are_made_more(correlated: tuple[Any, Tensor, Tensor]) -> None:
    density, _, _ = correlated
    enough = laplace(density, draws=1000, seed=0)
    assert enough.points.shape[1] == 1000
    more = laplace(density, draws=200, seed=0)
    assert more.points.shape[1] == 800
    assert more.ok, more.problems
