"""Tail masses against SciPy far into both tails, their gradients, and arcs of the circle against quadrature."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from scipy import integrate, special, stats
from torch import Tensor

from labelppl import distributions as d
from labelppl.distributions.log_mass import edges, log_arc, log_mass
from labelppl.distributions.log_tails import log_tails


def _t(*values: float) -> tuple[Tensor, ...]:
    return tuple(torch.tensor(v, dtype=torch.float64) for v in values)


#: Law, SciPy's, and points from one far tail to the other.
LAWS: dict[str, tuple[Any, Any, tuple[float, ...]]] = {
    "Normal": (dist.Normal(*_t(1.0, 2.0)), stats.norm(1, 2), (-60, -3, 1, 4, 70)),
    "Pyro's LogNormal": (
        dist.LogNormal(*_t(0.5, 0.7)),
        stats.lognorm(0.7, scale=math.exp(0.5)),
        (1e-6, 0.5, 2, 9, 1e6),
    ),
    "LogNormal": (
        d.LogNormal(*_t(0.5, 0.7)),
        stats.lognorm(0.7, scale=math.exp(0.5)),
        (1e-6, 0.5, 2, 9, 1e6),
    ),
    "Pyro's Gamma": (
        dist.Gamma(*_t(2.5, 0.5)),
        stats.gamma(2.5, scale=2),
        (1e-30, 0.4, 5, 30, 900),
    ),
    "Gamma": (d.Gamma(*_t(40.0, 2.0)), stats.gamma(40, scale=0.5), (1e-3, 5, 20, 30, 200)),
    "Chi2": (dist.Chi2(*_t(3.0)), stats.chi2(3), (1e-20, 2, 9, 900)),
    "InverseGamma": (
        dist.InverseGamma(*_t(2.5, 1.5)),
        stats.invgamma(2.5, scale=1.5),
        (5e-3, 1, 1e5),
    ),
    "Pyro's Beta": (dist.Beta(*_t(2.0, 30.0)), stats.beta(2, 30), (1e-20, 0.01, 0.1, 0.9)),
    "Beta": (d.Beta(*_t(30.0, 2.0)), stats.beta(30, 2), (1e-5, 0.5, 0.95, 0.999999)),
    "Pyro's StudentT": (
        dist.StudentT(*_t(4.0, 1.0, 2.0)),
        stats.t(4, 1, 2),
        (-1e8, -3, 1, 1.001, 5, 1e8),
    ),
    "Exponential": (dist.Exponential(*_t(0.5)), stats.expon(scale=2), (1e-20, 1, 5, 900)),
    "HalfNormal": (dist.HalfNormal(*_t(2.0)), stats.halfnorm(scale=2), (1e-6, 1, 5, 60)),
    "HalfCauchy": (dist.HalfCauchy(*_t(2.0)), stats.halfcauchy(scale=2), (1e-20, 1, 5, 1e20)),
    "Cauchy": (dist.Cauchy(*_t(1.0, 2.0)), stats.cauchy(1, 2), (-1e20, 0, 1, 1e20)),
    "Laplace": (dist.Laplace(*_t(1.0, 2.0)), stats.laplace(1, 2), (-900, 0, 1.5, 900)),
    "Logistic": (dist.Logistic(*_t(1.0, 2.0)), stats.logistic(1, 2), (-900, 0, 900)),
    "Gumbel": (dist.Gumbel(*_t(1.0, 2.0)), stats.gumbel_r(1, 2), (-8, 0, 2, 100, 1200)),
    "Weibull": (dist.Weibull(*_t(2.0, 1.5)), stats.weibull_min(1.5, scale=2), (1e-10, 1, 60)),
    "Pareto": (dist.Pareto(*_t(2.0, 1.5)), stats.pareto(1.5, scale=2), (2.000001, 3, 1e15)),
    "Uniform": (dist.Uniform(*_t(2.0, 5.0)), stats.uniform(2, 3), (2.0001, 3, 4.9999)),
    "LogitNormal": (
        d.LogitNormal(*_t(0.3, 0.8)),
        None,
        (1e-9, 0.3, 0.9, 0.999999),
    ),
    "a falling map of a Normal": (
        dist.TransformedDistribution(
            dist.Normal(*_t(0.0, 1.0)), [torch.distributions.AffineTransform(1.0, -2.0)]
        ),
        stats.norm(1, 2),
        (-60, 1, 70),
    ),
    "a mixture": (
        dist.MixtureSameFamily(
            dist.Categorical(torch.tensor([0.3, 0.7], dtype=torch.float64)),
            dist.Normal(torch.tensor([-2.0, 3.0], dtype=torch.float64), 1.0),
        ),
        None,
        (-30, 0, 30),
    ),
}


def _reference(name: str, law: Any, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    if name == "LogitNormal":
        z = (special.logit(x) - 0.3) / 0.8
        return stats.norm.logcdf(z), stats.norm.logsf(z)
    if name == "a mixture":
        weights, means = np.log([0.3, 0.7])[:, None], np.array([-2.0, 3.0])[:, None]
        return (
            special.logsumexp(weights + stats.norm.logcdf(x - means), 0),
            special.logsumexp(weights + stats.norm.logsf(x - means), 0),
        )
    return law.logcdf(x), law.logsf(x)


@pytest.mark.parametrize("name", LAWS)
def test_both_tails_are_scipys(name: str) -> None:
    law, reference, points = LAWS[name]
    x = np.array(points, dtype=np.float64)
    tails = log_tails(law, torch.tensor(x))
    below, above = _reference(name, reference, x)
    np.testing.assert_allclose(tails.below.numpy(), below, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(tails.above.numpy(), above, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("name", LAWS)
def test_cells_are_masses_of_intervals(name: str) -> None:
    """`<x`, `>x` and the interval between two points, ends beyond the support included."""
    law, reference, points = LAWS[name]
    x = torch.tensor(points, dtype=torch.float64)
    first, last = edges(law.support)
    inside = torch.full_like(x, points[len(points) // 2])
    below, above = _reference(name, reference, x.numpy())
    for low in (first.double(), first.double() - 1, torch.tensor(-math.inf)):
        got = log_mass(law, low.expand_as(x), x, inside)
        np.testing.assert_allclose(got.numpy(), below, rtol=1e-8, atol=1e-12)
    for high in (last.double(), last.double() + 1, torch.tensor(math.inf)):
        got = log_mass(law, x, high.expand_as(x), inside)
        np.testing.assert_allclose(got.numpy(), above, rtol=1e-8, atol=1e-12)
    whole = log_mass(law, torch.full_like(x, -math.inf), torch.full_like(x, math.inf), inside)
    assert torch.equal(whole, torch.zeros_like(x))
    got = log_mass(law, x[:-1], x[1:], inside[1:]).exp().sum()
    assert float(got) == pytest.approx(float(np.exp(below[-1]) - np.exp(below[0])), abs=1e-9)


def test_an_interval_beyond_the_support_has_no_mass() -> None:
    law = dist.Beta(*_t(2.0, 3.0))
    got = log_mass(law, *_t(1.5, 2.0, 0.5))
    assert float(got) == -math.inf


def _normal(t: Tensor) -> Any:
    return dist.Normal(t[0], t[1].exp())


#: A law made from two parameters, and an interval.
GRADIENTS: dict[str, tuple[Callable[[Tensor], Any], float, float]] = {
    "Normal": (_normal, -math.inf, -9.0),
    "LogNormal": (lambda t: dist.LogNormal(t[0], t[1].exp()), 0.0, 1e-4),
    "Gamma": (lambda t: dist.Gamma(t[0].exp(), t[1].exp()), 0.0, 1.0),
    "Beta": (lambda t: dist.Beta(t[0].exp(), t[1].exp()), 0.9, 1.0),
    "StudentT": (lambda t: dist.StudentT(t[0].exp(), t[1], 1.0), 30.0, math.inf),
    "VonMises": (lambda t: dist.VonMises(t[0], t[1].exp()), 2.0, 3.0),
    "AxialVonMises": (lambda t: d.AxialVonMises(t[0], t[1].exp()), 2.0, 3.0),
    "HalfCircleVonMises": (lambda t: d.HalfCircleVonMises(t[0], t[1].exp()), 0.0, 0.2),
    "RatioOfNormals": (lambda t: d.RatioOfNormals(t[0], 5.0 + t[1], 1.0, 0.5), 0.6, math.inf),
    "ZeroOneInflated": (
        lambda t: d.ZeroOneInflated(
            d.Beta(t[0].exp(), t[1].exp()), torch.tensor([0.1, 0.8, 0.1], dtype=torch.float64)
        ),
        0.0,
        0.3,
    ),
}


@pytest.mark.parametrize("name", GRADIENTS)
def test_gradients_pass_through_vmap(name: str) -> None:
    make, low, high = GRADIENTS[name]
    theta = torch.tensor([[0.7, 0.3], [0.2, -0.1]], dtype=torch.float64)
    ends = torch.tensor([low]), torch.tensor([high]), torch.tensor([0.5], dtype=torch.float64)

    def mass(t: Tensor) -> Tensor:
        return log_mass(make(t), *ends)[0]

    slopes = torch.func.vmap(torch.func.grad(mass))(theta)
    step = 1e-6
    for i in range(2):
        for j in range(2):
            up, down = theta[i].clone(), theta[i].clone()
            up[j] += step
            down[j] -= step
            numeric = float(mass(up) - mass(down)) / (2 * step)
            assert float(slopes[i, j]) == pytest.approx(numeric, rel=2e-4, abs=1e-7)


@pytest.mark.parametrize("kappa", [0.05, 2.0, 90.0, 1e4])
def test_arcs_are_integrals_of_the_density(kappa: float) -> None:
    """Arcs from every quarter of the circle, over the mean, over the antipode, and of nearly a turn."""
    starts = np.array([-3.0, -1.2, -0.01, 0.4, 1.7, 3.1, 4.0, -7.0])
    for length in (0.3, 2.0, 4.5, 6.2):
        got = log_arc(
            torch.tensor(starts), torch.tensor(starts + length), torch.tensor(kappa).double()
        ).numpy()
        for start, value in zip(starts, got, strict=True):
            around = [np.pi * 2 * k for k in range(-2, 3)]
            inner = [x for x in around if start < x < start + length]
            edges_of = [start, *inner, start + length]
            total = 0.0
            for a, b in pairwise(edges_of):
                grid = np.unique(
                    np.concatenate(
                        [
                            np.linspace(a, b, 5),
                            a + (b - a) * 1e-3 * np.arange(9),
                            b - (b - a) * 1e-3 * np.arange(9),
                        ]
                    )
                )
                for lo, hi in pairwise(grid):
                    total += integrate.fixed_quad(
                        lambda x: stats.vonmises.pdf(x, kappa), lo, hi, n=40
                    )[0]
            if total > 1e-280:
                assert value == pytest.approx(
                    math.log(total), abs=2e-8 + 1e-8 * abs(math.log(total))
                )


def test_far_arcs_keep_their_relative_precision() -> None:
    """For kappa = 400 the arc from 2 to 2.1 holds e^-566; against the density's log-concave expansion."""
    kappa, a, b = 400.0, 2.0, 2.1
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x = a + (b - a) * (nodes + 1) / 2
    log_f = kappa * (np.cos(x) - 1) - math.log(2 * math.pi * special.i0e(kappa))
    wanted = special.logsumexp(log_f, b=weights * (b - a) / 2)
    got = log_arc(*(torch.tensor(v, dtype=torch.float64) for v in (a, b, kappa)))
    assert float(got) == pytest.approx(wanted, rel=1e-9)


def test_a_turn_is_everything() -> None:
    turn = torch.tensor([0.3, -2.0]).double()
    got = log_arc(turn, turn + 2 * math.pi, torch.tensor(3.0).double())
    assert torch.equal(got, torch.zeros(2, dtype=torch.float64))


def test_a_law_of_the_users_own_tells_its_tails_or_its_cdf() -> None:
    class Mine(dist.Normal):
        pass

    class Other(dist.TorchDistribution):
        support = dist.constraints.real
        arg_constraints = {}  # noqa: RUF012

        def __init__(self) -> None:
            super().__init__(torch.Size(), torch.Size())

        def cdf(self, value: Tensor) -> Tensor:
            return torch.special.ndtr(value)

    class Told(Other):
        def log_cdf(self, value: Tensor) -> Tensor:
            return torch.special.log_ndtr(value)

        def log_survival(self, value: Tensor) -> Tensor:
            return torch.special.log_ndtr(-value)

    x = torch.tensor([1.5, 20.0], dtype=torch.float64)
    wanted = torch.tensor(stats.norm.logsf(x.numpy()))
    torch.testing.assert_close(log_tails(Mine(*_t(0.0, 1.0)), x).above, wanted)
    torch.testing.assert_close(log_tails(Told(), x).above, wanted)
    assert float(log_tails(Other(), x).above[0]) == pytest.approx(float(wanted[0]), rel=1e-9)
    assert bool(torch.isfinite(log_tails(Other(), x).above).all())
