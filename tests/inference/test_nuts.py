"""Pyro's NUTS behind our protocol: the reference must itself be right, and repeatable."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelppl.errors import FailedWork
from labelppl.inference.nuts import nuts


def test_gaussian_moments(gaussian: Callable[[Tensor, Tensor], Any]) -> None:
    covariance = torch.tensor([[1.0, 0.9, 0.0], [0.9, 1.0, 0.0], [0.0, 0.0, 25.0]]).double()
    mean = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    found = nuts(gaussian(mean, covariance), draws=250, warmup=120, seed=0)
    assert found.ok, found.problems
    assert found.points.shape == (4, 250, 3)
    points, ess = found.points.flatten(0, 1), found.diagnostics["ess_bulk"]
    sd = covariance.diagonal().sqrt()
    assert float(((points.mean(0) - mean) / sd).abs().max()) < 4 / math.sqrt(ess)
    off = (torch.cov(points.mT) - covariance) / (sd[:, None] * sd)
    assert float(off.abs().max()) < 5 * math.sqrt(2 / (0.5 * ess))


def test_agrees_with_reference_draws(reference: Any, agree: Callable[[Any, Any], None]) -> None:
    if reference.density.coordinates[0] == "mu[1]":
        pytest.skip("a thousand cases; the other engines are compared on it")
    found = nuts(reference.density, draws=400, warmup=120, seed=1)
    if "tau" not in reference.density.coordinates:
        assert found.ok, found.problems
    if found.ok:
        agree(reference, found)


def test_processes_change_nothing(gaussian: Callable[[Tensor, Tensor], Any]) -> None:
    density = gaussian(torch.zeros(2).double(), torch.eye(2).double())
    alone, forked, other = (
        nuts(density, draws=20, warmup=20, chains=2, seed=seed, parallel=parallel)
        for seed, parallel in ((5, False), (5, True), (6, False))
    )
    assert torch.equal(alone.points, forked.points)
    assert not torch.equal(alone.points, other.points)
    assert not torch.equal(alone.points[0], alone.points[1])


def test_the_global_generator_is_left_alone(gaussian: Callable[[Tensor, Tensor], Any]) -> None:
    density = gaussian(torch.zeros(1).double(), torch.eye(1).double())
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    nuts(density, draws=10, warmup=10, chains=2, parallel=False)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("parallel", [False, True])
def test_progress_is_told_over_all_chains(
    gaussian: Callable[[Tensor, Tensor], Any], parallel: bool
) -> None:
    told: list[tuple[int, int]] = []
    nuts(
        gaussian(torch.zeros(1).double(), torch.eye(1).double()),
        draws=30,
        warmup=20,
        chains=2,
        accept=0.8,  # one pass: without it a divergence starts a second one
        parallel=parallel,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told[-1] == (100, 100)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


def test_too_few_draws_are_refused(gaussian: Callable[[Tensor, Tensor], Any]) -> None:
    density = gaussian(torch.zeros(1).double(), torch.eye(1).double())
    found = nuts(density, draws=20, warmup=50, chains=2)
    assert any("ESS" in problem for problem in found.problems)


def test_divergences_are_counted_and_tried_again_at_a_higher_acceptance(
    funnel: Callable[[int], Any],
) -> None:
    found = nuts(funnel(3), draws=60, warmup=30, chains=2, seed=0)
    assert found.diagnostics["accept_target"] == 0.95
    assert not found.ok


class _Raises:
    dim = 1
    coordinates = ("x",)
    numbers = 1

    def __init__(self, how: Callable[[], None]) -> None:
        self.how = how
        self.calls = 0

    def log_prob(self, u: Tensor) -> Tensor:
        self.calls += 1
        if self.calls > 30:
            self.how()
        return -0.5 * u[:, 0].square()

    def start(self, n: int, seed: int) -> Tensor:
        return torch.zeros(n, 1, dtype=torch.float64)

    def prior_draws(self, n: int, seed: int) -> Tensor:
        return self.start(n, seed)


def test_an_error_in_a_child_reaches_the_parent() -> None:
    def fail() -> None:
        raise ValueError("bad column")

    with pytest.raises(FailedWork, match="ValueError: bad column"):
        nuts(_Raises(fail), draws=20, warmup=20, chains=2, parallel=True)


def test_a_child_that_dies_is_told() -> None:
    with pytest.raises(FailedWork, match="exit code 9"):
        nuts(_Raises(lambda: os._exit(9)), draws=20, warmup=20, chains=2, parallel=True)
