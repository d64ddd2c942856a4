"""The proposal's density is that of its draws, and the weights are its importance weights."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from scipy import stats
from scipy.stats import kstest
from torch import Tensor

from labelppl.inference.importance import log_probs, weigh
from labelppl.inference.proposal import log_mixture, standard_normals, with_tails
from labelppl.seeds import stream


@pytest.mark.parametrize("dim", [1, 3])
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_mixture_density_is_scipys(dim: int, share: float) -> None:
    generator = torch.Generator().manual_seed(dim)
    root = torch.randn(dim, dim, generator=generator, dtype=torch.float64).tril() + 2 * torch.eye(
        dim
    )
    scale = (root @ root.mT).numpy()
    mean = torch.arange(dim, dtype=torch.float64)
    points = 3 * torch.randn(50, dim, generator=generator, dtype=torch.float64)
    normal = stats.multivariate_normal(mean.numpy(), scale)
    student = stats.multivariate_t(mean.numpy(), scale, df=4)
    expected = (1 - share) * normal.pdf(points.numpy()) + share * student.pdf(points.numpy())
    got = log_mixture(
        torch.as_tensor(normal.logpdf(points.numpy())),
        torch.as_tensor(normal.logpdf(mean.numpy())),
        dim,
        share,
    )
    torch.testing.assert_close(got.exp(), torch.as_tensor(expected), rtol=1e-10, atol=0)


class _Student:
    """A t with 8 degrees of freedom: heavier tails than the normal it is approximated by."""

    dim = 1
    coordinates = ("x",)
    numbers = 1

    def __init__(self, scale: float = 1.0, broken: bool = False) -> None:
        self.scale, self.broken = scale, broken

    def log_prob(self, u: Tensor) -> Tensor:
        value = torch.distributions.StudentT(8.0, 0.0, self.scale).log_prob(u[:, 0])
        return torch.where(u[:, 0] > 2, torch.nan, value) if self.broken else value

    def start(self, n: int, seed: int) -> Tensor:
        return torch.zeros(n, 1, dtype=torch.float64)

    def prior_draws(self, n: int, seed: int) -> Tensor:
        return self.start(n, seed)


def _weigh(density: Any, draws: int = 4000, tail_share: float = 0.1) -> Any:
    shifts = torch.randn(draws, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    points = with_tails(shifts, stream(1), tail_share)
    peak = torch.tensor(-0.5 * math.log(2 * math.pi), dtype=torch.float64)
    log_proposal = log_mixture(-0.5 * points[:, 0].square() + peak, peak, 1, tail_share)
    return weigh(points, log_probs(density, points) - log_proposal)


def test_evidence_and_probabilities_of_a_heavy_tailed_density() -> None:
    found = _weigh(_Student(), draws=20_000)
    assert found.problems == ()
    assert found.log_evidence == pytest.approx(0, abs=0.03)
    weights = found.log_weights.exp()
    assert float(weights.sum()) == pytest.approx(1, abs=1e-9)
    for quantile in (-2.0, 0.0, 1.0):
        inside = float(weights[found.points[:, 0] < quantile].sum())
        assert inside == pytest.approx(stats.t(8).cdf(quantile), abs=0.02)


def test_the_tails_come_first_and_are_a_t() -> None:
    found = _weigh(_Student(), draws=20_000, tail_share=0.5)
    points = found.points[:, 0].numpy()
    assert stats.kstest(points[:10_000], stats.t(4).cdf).pvalue > 0.01
    assert stats.kstest(points[10_000:], stats.norm.cdf).pvalue > 0.01


def test_a_density_much_wider_than_the_proposal_is_refused() -> None:
    assert any("Pareto k" in problem for problem in _weigh(_Student(scale=30.0)).problems)


def test_not_a_number_weighs_nothing_and_is_told() -> None:
    found = _weigh(_Student(broken=True))
    assert any("not a number" in problem for problem in found.problems)
    assert float(found.log_weights.exp()[found.points[:, 0] > 2].sum()) == 0


def test_standard_normals_are_normal_even_and_in_random_order() -> None:
    draws = standard_normals(4096, 9, stream(3))
    assert torch.equal(draws, standard_normals(4096, 9, stream(3)))
    assert not torch.equal(draws, standard_normals(4096, 9, stream(4)))
    assert all(kstest(column, "norm").pvalue > 1e-3 for column in draws.T.numpy())
    # Independent draws have a standard error of 1 / 64 in a mean; these are much closer.
    assert float(draws.mean(0).abs().max()) < 0.2 / 64
    # Every fourth row would lie in a quarter of the space if the order were Sobol's.
    assert float(draws[::4].mean(0).abs().max()) < 4.5 / 32
    assert standard_normals(3, 30_000, stream(0)).isfinite().all()
