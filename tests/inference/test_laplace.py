"""Laplace with PSIS: right where it claims, refusing where it cannot be."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from labelppl.inference.importance import Weighted
from labelppl.inference.laplace import _worth_another, laplace
from labelppl.inference.modes import Modes, distinct


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
def test_both_modes_get_their_mass(bimodal: Callable[[float], Any], gap: float) -> None:
    draws = laplace(bimodal(gap), seed=0)
    assert draws.ok, draws.problems
    assert draws.diagnostics["modes"] == 2
    right = float(draws.log_weights.exp()[0][draws.points[0, :, 0] > 0].sum())
    assert right == pytest.approx(0.5, abs=0.03)
    assert draws.diagnostics["log_evidence"] == pytest.approx(math.log(2), abs=0.05)


def _unequal_modes(written: type) -> Any:
    """.7 N(1.5, .2) + .3 N(-1.5, .2) as a posterior, under a prior N(0, 3) whose median lies between them."""

    def log_density(u: Tensor) -> Tensor:
        x = u[:, 0]
        return torch.logaddexp(
            math.log(0.7) - 12.5 * (x - 1.5).square(), math.log(0.3) - 12.5 * (x + 1.5).square()
        )

    return written(("x",), log_density, lambda u: u, spread=0.6)


def test_prior_draws_find_the_mode_that_medians_miss(written: type) -> None:
    """The mass at x > 0 is .700; the starts near the median alone can miss a mode, and no Pareto k tells."""
    for seed in range(10):
        draws = laplace(_unequal_modes(written), seed=seed)
        assert draws.ok, draws.problems
        right = float(draws.log_weights.exp()[0][draws.points[0, :, 0] > 0].sum())
        assert right == pytest.approx(0.7, abs=0.02)
    alone = [
        laplace(_unequal_modes(written), starts=1, scattered=0, seed=seed) for seed in range(10)
    ]
    assert all(draws.ok for draws in alone)
    masses = [float(d.log_weights.exp()[0][d.points[0, :, 0] > 0].sum()) for d in alone]
    assert max(abs(mass - 0.7) for mass in masses) > 0.29


@pytest.mark.parametrize(("apart", "modes"), [(0.99, 1), (1.01, 2)])
def test_ends_within_one_standard_deviation_are_one_mode(apart: float, modes: int) -> None:
    ends = Modes(
        points=torch.tensor([[0.0], [apart]], dtype=torch.float64),
        log_probs=torch.tensor([1.0, 0.0], dtype=torch.float64),
        precisions=torch.ones(2, 1, 1, dtype=torch.float64),
        converged=torch.tensor([True, True]),
        iterations=1,
    )
    assert distinct(ends) == list(range(modes))


def test_a_narrow_mode_inside_a_wide_one_is_another() -> None:
    ends = Modes(
        points=torch.tensor([[0.0], [0.5]], dtype=torch.float64),
        log_probs=torch.tensor([1.0, 0.0], dtype=torch.float64),
        precisions=torch.tensor([[[1.0]], [[100.0]]], dtype=torch.float64),
        converged=torch.tensor([True, True]),
        iterations=1,
    )
    assert distinct(ends) == [0, 1]
    assert distinct(ends._replace(converged=torch.tensor([True, False]))) == [0]


def _student(written: type, dim: int, dof: float = 6.0) -> Any:
    """Heavier tails than the proposal's normals: one round of weights is not enough in many dimensions."""

    def log_density(u: Tensor) -> Tensor:
        return -0.5 * (dof + 1) * torch.log1p(u.square() / dof).sum(-1)

    return written(tuple(f"x[{i}]" for i in range(dim)), log_density, lambda u: u)


def test_a_proposal_that_fails_is_adapted_to_its_own_weights(written: type) -> None:
    """The rung between Laplace and chains: 20 independent t_6 coordinates, whose variances are 3/2."""
    density = _student(written, 20)
    draws = laplace(density, seed=0)
    assert draws.ok, draws.problems
    assert draws.diagnostics["rounds"] in (2, 3)
    assert draws.points.shape[1] == 4096 * int(draws.diagnostics["rounds"])
    weights = draws.log_weights.exp()[0]
    variance = weights @ draws.points[0].square()
    assert float(variance.mean()) == pytest.approx(3 / 2, rel=0.08)


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
    found = laplace(correlated[0], draws=80)  # and three times as many do not suffice
    assert any("effective draws" in problem for problem in found.problems)


def test_without_a_mode_it_says_so() -> None:
    class Flat:
        dim = 2
        coordinates = ("a", "b")
        numbers = 1

        def log_prob(self, u: Tensor) -> Tensor:
            return (u * 0).sum(-1)

        def start(self, n: int, seed: int) -> Tensor:
            return torch.zeros(n, 2, dtype=torch.float64)

        def prior_draws(self, n: int, seed: int) -> Tensor:
            return self.start(n, seed)

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
    more = laplace(density, draws=250, seed=0)
    assert more.points.shape[1] in (500, 750)
    assert more.ok, more.problems


@pytest.mark.parametrize(
    ("khat", "rounds", "problems", "another"),
    [
        (1.19, 1, ("k",), True),
        (1.21, 1, ("k",), False),
        (0.8, 2, ("k",), True),
        (0.8, 3, ("k",), False),
        (0.5, 1, (), False),
    ],
)
def test_when_another_round_is_worth_it(
    khat: float, rounds: int, problems: tuple[str, ...], another: bool
) -> None:
    weighted = Weighted(torch.zeros(1, 1), torch.zeros(1), khat, 1.0, 0.0, problems)
    assert _worth_another(weighted, rounds) is another
