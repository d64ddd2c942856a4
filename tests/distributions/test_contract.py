"""What every distribution promises, whatever it computes.

Parameters reach it through `vmap` with gradients and Hessians equal to a plain loop's; `expand` and
broadcasting keep the density; samples follow the density and lie in the support.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import torch
from pyro.distributions.torch_distribution import TorchDistributionMixin
from scipy import integrate, stats
from torch import Tensor
from torch.func import grad, hessian, vmap

from labelppl import distributions as d


class Case(NamedTuple):
    """A distribution made from a flat parameter vector, and one value inside its support."""

    make: Callable[[Tensor], Any]
    theta: tuple[float, ...]
    value: tuple[float, ...] | float
    bounds: tuple[float, float] | None = None


def _triangle(t: Tensor) -> Tensor:
    zero = torch.zeros_like(t[0])
    return torch.stack([torch.stack([t[0].exp(), zero]), torch.stack([t[1], t[2].exp()])])


CASES = {
    "VonMises": Case(lambda t: d.VonMises(t[0], t[1].exp()), (0.4, 1.2), 1.0, (-math.pi, math.pi)),
    "HalfCircleVonMises": Case(
        lambda t: d.HalfCircleVonMises(t[0], t[1].exp()), (0.3, 1.0), 1.0, (0.0, math.pi)
    ),
    "AxialVonMises": Case(
        lambda t: d.AxialVonMises(t[0], t[1].exp()), (0.2, 1.0), 1.0, (-math.pi / 2, math.pi / 2)
    ),
    "LogitNormal": Case(lambda t: d.LogitNormal(t[0], t[1].exp()), (0.3, -0.2), 0.6, (0, 1)),
    "MultivariateLogitNormal": Case(
        lambda t: d.MultivariateLogitNormal(t[:2], _triangle(t[2:])),
        (0.3, -0.2, 0.1, 0.4, -0.3),
        (0.6, 0.3),
    ),
    "MultivariateLogNormal": Case(
        lambda t: d.MultivariateLogNormal(t[:2], _triangle(t[2:])),
        (0.3, -0.2, 0.1, 0.4, -0.3),
        (0.6, 1.3),
    ),
    "LibbyNovick": Case(
        lambda t: d.LibbyNovick(t[0].exp(), t[1].exp(), t[2].exp()), (0.7, 1.1, 0.9), 0.3, (0, 1)
    ),
    "RatioOfNormals": Case(
        lambda t: d.RatioOfNormals(t[0], t[1], t[2].exp(), t[3].exp(), torch.tanh(t[4])),
        (2.0, 5.0, -0.7, -0.2, 0.4),
        0.45,
        (-math.inf, math.inf),
    ),
    "Beta": Case(lambda t: d.Beta(t[0].exp(), t[1].exp()), (0.5, 1.0), 0.3, (0, 1)),
    "Gamma": Case(lambda t: d.Gamma(t[0].exp(), t[1].exp()), (0.5, 0.2), 1.3, (0, math.inf)),
    "LogNormal": Case(lambda t: d.LogNormal(t[0], t[1].exp()), (0.3, -0.2), 0.6, (0, math.inf)),
    "StudentT": Case(
        lambda t: d.StudentT(t[0].exp(), t[1], t[2].exp()),
        (1.5, 0.2, 0.1),
        -0.8,
        (-math.inf, math.inf),
    ),
    "OrderedLogistic": Case(
        lambda t: d.OrderedLogistic(t[0], torch.stack([t[1], t[1] + t[2].exp()])),
        (0.3, -1.0, 0.4),
        1,
    ),
    "VoteMultinomial": Case(
        lambda t: d.VoteMultinomial(torch.softmax(t, -1), 7), (0.3, -0.2, 0.5), (2.0, 1.0, 4.0)
    ),
    "DirichletMultinomial": Case(
        lambda t: d.DirichletMultinomial(t.exp(), 7), (0.3, -0.2, 0.5), (2.0, 1.0, 4.0)
    ),
    "SineBivariateVonMises": Case(
        lambda t: d.SineBivariateVonMises(t[0], t[1], t[2].exp(), t[3].exp(), t[4]),
        (0.3, -0.5, 1.0, 1.4, 0.8),
        (0.1, 0.2),
    ),
    "AbeLey": Case(
        lambda t: d.AbeLey(t[0].exp(), t[1].exp(), t[2], t[3].exp(), torch.tanh(t[4])),
        (0.5, -0.3, 0.2, 0.1, 0.4),
        (0.5, 1.4),
    ),
    "FisherLee": Case(
        lambda t: d.FisherLee(t[0], t[1].exp(), t[2], t[3].exp(), t[4]),
        (0.5, 1.0, 0.3, -0.2, 0.8),
        (0.6, 0.9),
    ),
    "CommonScale": Case(
        lambda t: d.CommonScale(t[0].exp(), t[1].exp(), 3), (1.0, -0.3), (0.6, -0.9, 0.2)
    ),
    "MardiaSutton": Case(
        lambda t: d.MardiaSutton(t[0], t[1].exp(), t[2], t[3].exp(), 0.7 * torch.tanh(t[4:6])),
        (0.5, 1.0, 0.3, -0.2, 0.4, -0.6),
        (0.6, 0.9),
    ),
    "ZeroOneInflated": Case(
        lambda t: d.ZeroOneInflated(d.Beta(t[0].exp(), t[1].exp()), torch.softmax(t[2:5], -1)),
        (0.5, 1.0, -1.0, 1.0, -0.5),
        0.3,
    ),
    "PlackettLuce": Case(d.PlackettLuce, (0.5, 1.0, -1.0, 0.2), (2.0, 1.0, 2.0, 0.0)),
    "StatedOpinion": Case(
        lambda t: d.StatedOpinion(t[:6].reshape(2, 3), t[6:].exp()),
        (0.5, 1.0, -1.0, 0.2, 0.1, 0.0, 0.3, -0.2),
        (((0.2, 0.2), (0.5, 0.5), (0.3, 0.3)), ((0.1, 0.3), (0.0, 0.4), (0.4, 0.7))),  # type: ignore[arg-type]
    ),
    "InverseWishartCholesky": Case(
        lambda t: d.InverseWishartCholesky(2 + t[0].exp(), _triangle(t[1:])),
        (0.9, 0.2, 0.3, -0.1),
        ((0.8, 0.0), (0.3, 1.1)),  # type: ignore[arg-type]
    ),
}

#: Laws of votes in long form, whose values are no tensors: `test_raters`.
OF_BALLOTS = {"RaterVotes", "MixedVotes", "SharedErrorVotes"}
#: A prior whose shape and rate are numbers: `test_raters`.
PRIORS = {"GammaFrom"}
#: Priors of what all classes share: `test_shared_covariances`.
SHARED = {"SharedCovariances", "SharedSizes", "SharedSpread"}

CONTINUOUS = [name for name, case in CASES.items() if case.bounds is not None]


@pytest.fixture(params=CASES, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    return CASES[request.param]


def _density(case: Case) -> Callable[[Tensor], Tensor]:
    value = torch.tensor(case.value)
    return lambda theta: case.make(theta).log_prob(value)


def test_every_public_distribution_is_tested() -> None:
    assert set(CASES) | OF_BALLOTS | PRIORS | SHARED == set(d.__all__)


@pytest.mark.parametrize("name", CASES)
def test_interface(name: str) -> None:
    case = CASES[name]
    law = case.make(torch.tensor(case.theta))
    assert isinstance(law, TorchDistributionMixin)
    value = torch.tensor(case.value)
    assert law.log_prob(value).shape == ()
    wide = law.expand((5, 1)).expand((5, 3))
    assert wide.batch_shape == (5, 3)
    assert wide.event_shape == law.event_shape
    torch.testing.assert_close(wide.log_prob(value), law.log_prob(value).expand(5, 3))
    assert wide.sample((2,)).shape == (2, 5, 3, *law.event_shape)
    assert all(isinstance(getattr(law, name), Tensor) for name in law.arg_constraints)


@pytest.mark.parametrize("name", CASES)
def test_vmap_gradient_and_hessian_equal_a_loop(name: str) -> None:
    case = CASES[name]
    density = _density(case)
    centre = torch.tensor(case.theta)
    thetas = centre + 0.1 * torch.randn(3, len(centre))
    for transformed in (density, grad(density), hessian(density)):
        together = vmap(transformed)(thetas)
        alone = torch.stack([transformed(theta) for theta in thetas])
        assert together.dtype == torch.float64
        assert bool(torch.isfinite(together).all())
        torch.testing.assert_close(together, alone, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("name", CASES)
def test_gradient_and_hessian_equal_finite_differences(name: str) -> None:
    density = _density(CASES[name])
    theta = torch.tensor(CASES[name].theta)
    assert torch.autograd.gradcheck(density, theta.clone().requires_grad_(), atol=1e-6)
    assert torch.autograd.gradcheck(grad(density), theta.clone().requires_grad_(), atol=1e-5)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_density_integrates_to_one_and_to_the_cdf(name: str) -> None:
    case = CASES[name]
    assert case.bounds is not None
    law = case.make(torch.tensor(case.theta))

    def f(x: float) -> float:
        return float(torch.exp(law.log_prob(torch.tensor(x))))

    low, high = case.bounds
    value = float(case.value)  # type: ignore[arg-type]
    below = integrate.quad(f, low, value, limit=200, epsabs=1e-12)[0]
    above = integrate.quad(f, value, high, limit=200, epsabs=1e-12)[0]
    assert below + above == pytest.approx(1.0, abs=1e-8)
    assert float(law.cdf(torch.tensor(value))) == pytest.approx(below, abs=1e-8)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_cdf_is_differentiable_under_vmap(name: str) -> None:
    case = CASES[name]
    value = torch.tensor(case.value)

    def mass(theta: Tensor) -> Tensor:
        return torch.as_tensor(case.make(theta).cdf(value))

    theta = torch.tensor(case.theta)
    assert torch.autograd.gradcheck(mass, theta.clone().requires_grad_(), atol=1e-6)
    second = vmap(hessian(mass))(theta.expand(2, -1))
    assert bool(torch.isfinite(second).all())
    point = value.clone().requires_grad_()
    law = case.make(theta)
    (slope,) = torch.autograd.grad(law.cdf(point), point)
    torch.testing.assert_close(slope, torch.exp(law.log_prob(value)), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_samples_follow_the_cdf_and_stay_in_the_support(name: str) -> None:
    case = CASES[name]
    law = case.make(torch.tensor(case.theta))
    draws = law.sample((4000,))
    assert bool(law.support.check(draws).all())
    if name in ("VonMises", "AxialVonMises"):
        half = case.bounds[1]  # type: ignore[index]
        draws = torch.remainder(draws + half, 2 * half) - half
    assert stats.kstest(draws.numpy(), lambda x: law.cdf(torch.as_tensor(x)).numpy()).pvalue > 1e-3
