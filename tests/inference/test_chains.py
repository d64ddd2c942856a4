"""Many-chain HMC: closed forms, reference draws, and the checks that send work on."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelppl.errors import FailedWork, InputError
from labelppl.inference.chains import chains


def test_correlated_normal(correlated: tuple[Any, Tensor, Tensor]) -> None:
    density, mean, covariance = correlated
    found = chains(density, draws=48, warmup=100, seed=0)
    assert found.ok, found.problems
    assert found.points.shape == (128, 48, 20)
    assert found.log_weights is None
    points, ess = found.points.flatten(0, 1), found.diagnostics["ess_bulk"]
    sd = covariance.diagonal().sqrt()
    assert float(((points.mean(0) - mean) / sd).abs().max()) < 4 / math.sqrt(ess)
    off = (torch.cov(points.mT) - covariance) / (sd[:, None] * sd)
    # Squares mix more slowly than means: half the effective draws.
    assert float(off.abs().max()) < 5 * math.sqrt(2 / (0.5 * ess))


def test_agrees_with_reference_draws(reference: Any, agree: Callable[[Any, Any], None]) -> None:
    if reference.density.coordinates[0] == "mu[1]":
        found = chains(reference.density, chains=64, draws=120, warmup=100, seed=0)
    else:
        found = chains(reference.density, seed=0)
    if "tau" not in reference.density.coordinates:
        assert found.ok, found.problems
    if found.ok:
        agree(reference, found)


def test_a_diagonal_metric_from_starts_far_apart_in_scale(
    gaussian: Callable[[Tensor, Tensor], Any],
) -> None:
    sd = torch.logspace(-2, 2, 8, dtype=torch.float64)
    found = chains(gaussian(torch.zeros_like(sd), torch.diag(sd**2)), dense=False, warmup=150)
    assert found.ok, found.problems
    spread = found.points.flatten(0, 1).std(0) / sd
    assert float((spread - 1).abs().max()) < 4 / math.sqrt(found.diagnostics["ess_bulk"])


def test_two_modes_are_noticed(bimodal: Callable[[float], Any]) -> None:
    found = chains(bimodal(6.0), draws=32, warmup=60)
    assert any("R-hat" in problem for problem in found.problems)


def test_the_funnel_is_noticed(funnel: Callable[[int], Any]) -> None:
    assert not chains(funnel(5), chains=64, draws=32, warmup=60).ok


def test_same_seed_same_draws(reference: Any) -> None:
    if reference.density.coordinates[0] == "mu[1]":
        pytest.skip("three references settle it; this one has a thousand cases")
    first, again, other = (
        chains(reference.density, chains=32, draws=5, warmup=20, seed=s) for s in (3, 3, 4)
    )
    assert torch.equal(first.points, again.points)
    assert not torch.equal(first.points, other.points)


@pytest.mark.parametrize("number", [16, 100, 0])
def test_chains_must_form_superchains(number: int, correlated: tuple[Any, Tensor, Tensor]) -> None:
    with pytest.raises(InputError, match=f"got {number}, expected a multiple of 16"):
        chains(correlated[0], chains=number)


def test_no_start_is_a_stated_failure() -> None:
    class Nowhere:
        dim = 2
        coordinates = ("a", "b")
        numbers = 1

        def log_prob(self, u: Tensor) -> Tensor:
            return u.sum(-1) * torch.nan

        def start(self, n: int, seed: int) -> Tensor:
            return torch.zeros(n, 2, dtype=torch.float64)

        def prior_draws(self, n: int, seed: int) -> Tensor:
            return self.start(n, seed)

    with pytest.raises(FailedWork, match="every starting point"):
        chains(Nowhere())


def test_progress_counts_every_transition(correlated: tuple[Any, Tensor, Tensor]) -> None:
    told: list[tuple[int, int]] = []
    chains(
        correlated[0],
        chains=32,
        draws=4,
        warmup=6,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(i, 10) for i in range(1, 11)]


def test_the_first_momenta_are_not_the_noise_of_the_starts(
    correlated: tuple[Any, Tensor, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both are standard normal: from one stream the chains would set out along their own displacement."""
    density = correlated[0]
    drawn: list[Tensor] = []
    real = torch.randn

    def recorded(*shape: Any, **options: Any) -> Tensor:
        drawn.append(real(*shape, **options))
        return drawn[-1]

    monkeypatch.setattr(torch, "randn", recorded)
    chains(density, chains=32, draws=4, warmup=6, seed=0)
    starts, momenta = drawn[0].flatten(), drawn[1].flatten()
    size = min(len(starts), len(momenta))
    assert size > 50
    assert abs(float(torch.corrcoef(torch.stack([starts[:size], momenta[:size]]))[0, 1])) < 0.5
