"""Nested R-hat against a naive loop, and the adapter's numbers against their definitions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm, rankdata

from labelppl.inference import importance
from labelppl.inference.convergence import (
    Convergence,
    convergence,
    convergence_problems,
    khat_limit,
    nested_rhat,
    psis,
    weights_ess,
)
from labelppl.inference.hmc import State, transition


def _naive_nested(values: np.ndarray, superchains: int) -> float:
    """Margossian et al. (2024), eq. 9, written as loops over ranks already transformed."""
    chains, draws = values.shape
    scores = norm.ppf((rankdata(values).reshape(chains, draws) - 0.375) / (values.size + 0.25))
    members = chains // superchains
    centres, inside = [], []
    for k in range(superchains):
        group = scores[k * members : (k + 1) * members]
        means = [float(np.mean(chain)) for chain in group]
        centre = sum(means) / members
        between = sum((mean - centre) ** 2 for mean in means) / (members - 1)
        within = sum(float(np.var(chain, ddof=1)) for chain in group) / members
        centres.append(centre)
        inside.append(between + within)
    overall = sum(centres) / superchains
    spread = sum((centre - overall) ** 2 for centre in centres) / (superchains - 1)
    return float(np.sqrt(1 + spread / (sum(inside) / superchains)))


def test_nested_rhat_is_the_naive_loop() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(12, 5, 2)) + np.repeat(rng.normal(size=(4, 1, 2)), 3, axis=0)
    folded = np.abs(points - np.median(points, axis=(0, 1)))
    expected = [
        max(_naive_nested(points[..., d], 4), _naive_nested(folded[..., d], 4)) for d in range(2)
    ]
    np.testing.assert_allclose(nested_rhat(points, 4), expected, rtol=1e-12)


def test_nested_rhat_of_independent_draws_is_one_plus_half_over_the_groups_draws() -> None:
    points = np.random.default_rng(1).normal(size=(128, 64, 20))
    # 16 groups of 512 independent draws; the larger of two such statistics, 20 times over.
    assert np.mean(nested_rhat(points, 16)) == pytest.approx(1 + 0.5 / 512, abs=5e-4)


@pytest.mark.parametrize("shape", ["location", "scale"])
def test_nested_rhat_sees_groups_that_differ(shape: str) -> None:
    points = np.random.default_rng(2).normal(size=(32, 100, 1))
    if shape == "location":
        points[:8] += 1.0
    else:
        points[:8] *= 3.0
    assert nested_rhat(points, 4)[0] > 1.05


def test_convergence_of_independent_draws() -> None:
    points = np.random.default_rng(3).normal(size=(4, 1000, 3))
    found = convergence(points)
    assert found.rhat.shape == found.ess_bulk.shape == found.ess_tail.shape == (3,)
    assert np.all(np.abs(found.rhat - 1) < 0.01)
    # The standard error of an ESS estimate from 4,000 independent draws is about 5 %.
    np.testing.assert_allclose(found.ess_bulk, 4000, rtol=0.25)
    assert convergence_problems(found, ("a", "b", "c")) == ()


def test_an_autoregression_has_its_known_effective_size() -> None:
    rng, rho = np.random.default_rng(4), 0.8
    points = np.empty((4, 20_000, 1))
    points[:, 0, 0] = rng.normal(size=4)
    for i in range(1, points.shape[1]):
        points[:, i, 0] = rho * points[:, i - 1, 0] + np.sqrt(1 - rho**2) * rng.normal(size=4)
    expected = 80_000 * (1 - rho) / (1 + rho)
    assert convergence(points).ess_bulk[0] == pytest.approx(expected, rel=0.1)


def test_problems_name_the_worst_coordinate() -> None:
    points = np.random.default_rng(5).normal(size=(4, 50, 2))
    points[0, :, 1] += 3
    problems = convergence_problems(convergence(points), ("fine", "broken"))
    assert any("R-hat of broken" in problem for problem in problems)
    assert any("bulk ESS of broken" in problem for problem in problems)


def test_not_a_number_is_a_problem() -> None:
    points = np.random.default_rng(6).normal(size=(4, 500, 2))
    points[..., 1] = 1.0  # a coordinate that never moves has no R-hat
    assert any(
        "of stuck" in problem
        for problem in convergence_problems(convergence(points), ("fine", "stuck"))
    )


@pytest.mark.parametrize("k", [-0.3, 0.2, 0.5, 0.9])
def test_psis_finds_the_tail_of_generalised_pareto_ratios(k: float) -> None:
    u = np.random.default_rng(7).random(20_000)
    ratios = np.log((u**-k - 1) / k + 1.0)
    log_weights, khat = psis(ratios)
    assert np.logaddexp.reduce(log_weights) == pytest.approx(0, abs=1e-9)
    # The tail holds 3 sqrt(20000) = 424 ratios; the fit's standard error is (1 + k) / sqrt(424).
    assert khat == pytest.approx(k, abs=4 * (1 + k) / np.sqrt(424))


def test_effective_draws_of_weights() -> None:
    assert weights_ess(np.full(250, -np.log(250))) == pytest.approx(250)
    lonely = np.full(100, -800.0)
    lonely[3] = 0.0
    assert weights_ess(lonely) == pytest.approx(1)


@pytest.mark.parametrize(("draws", "limit"), [(100, 0.5), (1000, 2 / 3), (4000, 0.7)])
def test_khat_limit(draws: int, limit: float) -> None:
    assert khat_limit(draws) == pytest.approx(limit)


# --- each gate, just inside and just outside -------------------------------------------------------


def _measured(rhat: float = 1.0, bulk: float = 1e3, tail: float = 1e3) -> Convergence:
    return Convergence(np.array([1.0, rhat]), np.array([1e3, bulk]), np.array([1e3, tail]))


@pytest.mark.parametrize(
    ("inside", "outside", "word"),
    [
        (_measured(rhat=1.01), _measured(rhat=1.0101), "R-hat of b is 1.010, more than 1.01"),
        (_measured(bulk=400.0), _measured(bulk=399.9), "bulk ESS of b is 400, less than 400"),
        (_measured(tail=400.0), _measured(tail=399.9), "tail ESS of b is 400, less than 400"),
        (_measured(), _measured(rhat=np.nan), "R-hat of b is nan"),
    ],
    ids=["rhat", "bulk", "tail", "nan"],
)
def test_the_limits_of_convergence(inside: Convergence, outside: Convergence, word: str) -> None:
    assert convergence_problems(inside, ("a", "b")) == ()
    (problem,) = convergence_problems(outside, ("a", "b"))
    assert problem.startswith(word)


@pytest.mark.parametrize(
    ("khat", "ess", "limit", "problems"),
    [
        (0.699, 400.1, 0.7, 0),
        (0.7, 400.1, 0.7, 1),
        (0.499, 400.1, 0.5, 0),
        (0.5, 400.1, 0.5, 1),
        (0.3, 399.9, 0.7, 1),
        (0.9, 399.9, 0.7, 2),
    ],
)
def test_the_limits_of_weights(
    monkeypatch: pytest.MonkeyPatch, khat: float, ess: float, limit: float, problems: int
) -> None:
    draws = 4096
    monkeypatch.setattr(importance, "psis", lambda ratios: (np.zeros(draws), khat))
    monkeypatch.setattr(importance, "weights_ess", lambda log_weights: ess)
    weighted = importance.weigh(
        torch.zeros(draws, 1).double(), torch.zeros(draws).double(), khat_max=limit
    )
    assert len(weighted.problems) == problems


@pytest.mark.parametrize(("energy", "diverges"), [(999.0, False), (1001.0, True)])
def test_the_limit_of_the_energy_error(energy: float, diverges: bool) -> None:
    """A leapfrog of length 1 into a density that falls by ``energy`` beyond 0."""

    class Cliff:
        dim, coordinates, numbers = 1, ("x",), 1

        def log_prob(self, u: torch.Tensor) -> torch.Tensor:
            return torch.where(u[:, 0] == 0, 0.0, -energy) + 0 * u[:, 0]

    state = State(torch.zeros(1, 1).double(), torch.zeros(1).double(), torch.zeros(1, 1).double())
    done = transition(
        Cliff(),  # type: ignore[arg-type]
        state,
        torch.ones(1).double(),
        step=1.0,
        leapfrogs=1,
        generator=torch.Generator().manual_seed(0),
    )
    assert bool(done.divergent[0]) is diverges
