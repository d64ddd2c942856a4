"""Laws of ratios: the CHECK values of the methods page, and what defines each law."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from labelppl.distributions import (
    Beta,
    Gamma,
    LibbyNovick,
    LogitNormal,
    MultivariateLogitNormal,
    RatioOfNormals,
    StudentT,
    ZeroOneInflated,
)


def test_libby_novick_check() -> None:
    law = LibbyNovick(torch.tensor(2.0), 3.0, 2.5)
    total = integrate.quad(lambda c: float(torch.exp(law.log_prob(torch.tensor(c)))), 0, 1)[0]
    assert total == pytest.approx(1, abs=1e-10)
    assert float(law.cdf(torch.tensor(0.3))) == pytest.approx(0.712906, abs=1e-6)


def test_libby_novick_is_the_share_of_gamma_lengths_with_unequal_rates() -> None:
    rng = np.random.default_rng(0)
    rate1, ratio = 1.7, 2.5
    d2 = rng.gamma(2.0, 1 / (rate1 * ratio), 20_000)
    d1 = rng.gamma(3.0, 1 / rate1, 20_000)
    law = LibbyNovick(torch.tensor(2.0), 3.0, ratio)
    p = stats.kstest(d2 / (d1 + d2), lambda c: law.cdf(torch.tensor(c)).numpy()).pvalue
    assert p > 1e-3
    c = torch.linspace(0.05, 0.95, 9)
    beta = LibbyNovick(torch.tensor(2.0), 3.0, 1.0)
    torch.testing.assert_close(
        beta.log_prob(c), Beta(torch.tensor(2.0), torch.tensor(3.0)).log_prob(c)
    )


def test_ratio_of_standard_normals_is_cauchy() -> None:
    law = RatioOfNormals(torch.tensor(0.0), 0.0, 1.0, 1.0, 0.0)
    w = torch.linspace(-40, 40, 41)
    torch.testing.assert_close(law.log_prob(w), -torch.log(math.pi * (1 + w**2)))


def test_ratio_of_normals_check() -> None:
    law = RatioOfNormals(torch.tensor(2.0), 5.0, 0.5, 0.8, 0.4)
    assert float(torch.exp(law.log_prob(torch.tensor(0.4)))) == pytest.approx(4.210839, abs=1e-6)
    assert float(law.cdf(torch.tensor(0.4))) == pytest.approx(0.5, abs=1e-8)


def test_hinkley_in_logs_equals_hinkley_as_printed() -> None:
    mx, my, sx, sy, rho = 2.0, 5.0, 0.5, 0.8, 0.4
    w = np.linspace(-1, 2, 31)
    a = np.sqrt(w**2 / sx**2 - 2 * rho * w / (sx * sy) + 1 / sy**2)
    b = mx * w / sx**2 - rho * (mx + my * w) / (sx * sy) + my / sy**2
    c = mx**2 / sx**2 - 2 * rho * mx * my / (sx * sy) + my**2 / sy**2
    q = math.sqrt(1 - rho**2)
    d = np.exp((b**2 - c * a**2) / (2 * q**2 * a**2))
    printed = b * d / (math.sqrt(2 * math.pi) * sx * sy * a**3) * (
        special.ndtr(b / (q * a)) - special.ndtr(-b / (q * a))
    ) + q / (math.pi * sx * sy * a**2) * math.exp(-c / (2 * q**2))
    got = RatioOfNormals(torch.tensor(mx), my, sx, sy, rho).log_prob(torch.tensor(w))
    np.testing.assert_allclose(got.numpy(), np.log(printed), rtol=1e-11, atol=1e-11)


def test_ratio_of_normals_far_out_does_not_overflow() -> None:
    law = RatioOfNormals(torch.tensor(2000.0), 5000.0, 0.5, 0.8, 0.4)
    near_normal = stats.norm(0.4, math.sqrt(0.25 - 2 * 0.4 * 0.4 * 0.4 + (0.4 * 0.8) ** 2) / 5000)
    assert float(law.log_prob(torch.tensor(0.4))) == pytest.approx(
        near_normal.logpdf(0.4), abs=1e-3
    )
    assert bool(torch.isfinite(law.log_prob(torch.tensor([-50.0, 0.3, 7.0]))).all())


@pytest.mark.parametrize("rho", [-0.9, 0.0, 0.95])
def test_ratio_of_normals_with_a_denominator_around_zero(rho: float) -> None:
    law = RatioOfNormals(torch.tensor(1.0), 0.3, 0.7, 1.1, rho)
    draws = law.sample((20_000,)).numpy()
    assert stats.kstest(draws, lambda w: law.cdf(torch.tensor(w)).numpy()).pvalue > 1e-3
    below = integrate.quad(
        lambda w: float(torch.exp(law.log_prob(torch.tensor(w)))), -np.inf, 0.8, limit=400
    )[0]
    assert float(law.cdf(torch.tensor(0.8))) == pytest.approx(below, abs=1e-7)


def test_logit_normal_is_the_share_of_log_normal_lengths() -> None:
    rng = np.random.default_rng(1)
    d1, d2 = rng.lognormal(0.2, 0.5, 20_000), rng.lognormal(-0.1, 0.4, 20_000)
    law = LogitNormal(torch.tensor(-0.3), math.hypot(0.5, 0.4))
    assert stats.kstest(d2 / (d1 + d2), lambda c: law.cdf(torch.tensor(c)).numpy()).pvalue > 1e-3
    p = torch.linspace(0.01, 0.99, 7)
    torch.testing.assert_close(law.cdf(law.icdf(p)), p)


def test_multivariate_logit_normal() -> None:
    loc = torch.tensor([0.3, -0.2])
    tril = torch.tensor([[0.8, 0.0], [0.3, 0.6]])
    law = MultivariateLogitNormal(loc, tril)
    nodes, weights = np.polynomial.legendre.leggauss(120)
    c, w = torch.tensor((nodes + 1) / 2), torch.tensor(weights / 2)
    grid = torch.stack(torch.meshgrid(c, c, indexing="ij"), -1)
    density = torch.exp(law.log_prob(grid))
    assert float(torch.einsum("ij,i,j->", density, w, w)) == pytest.approx(1, abs=1e-8)
    marginal = torch.einsum("ij,j->i", density, w)
    single = torch.exp(LogitNormal(loc[0], tril[0, 0]).log_prob(c))
    torch.testing.assert_close(marginal, single, atol=1e-7, rtol=1e-7)
    draws = torch.logit(law.sample((50_000,)))
    torch.testing.assert_close(torch.cov(draws.T), tril @ tril.T, atol=0.02, rtol=0)


def test_class_posterior_does_not_depend_on_the_scale_of_measurement() -> None:
    """The Jacobian of a monotone map of z cancels across classes."""
    c = torch.linspace(0.05, 0.95, 9)[:, None]
    loc, scale = torch.tensor([0.4, -0.3]), torch.tensor([0.5, 0.9])
    on_ratio = torch.softmax(LogitNormal(loc, scale).log_prob(c), -1)
    on_logit = torch.softmax(torch.distributions.Normal(loc, scale).log_prob(torch.logit(c)), -1)
    torch.testing.assert_close(on_ratio, on_logit)


@pytest.mark.parametrize("shape", [0.05, 0.7, 3.0, 150.0, 1500.0])
def test_distribution_functions_equal_scipy(shape: float) -> None:
    x = np.array([1e-6, 0.02, 0.3, 0.5, 0.77, 0.999])
    beta = Beta(torch.tensor(shape), torch.tensor(2.2)).cdf(torch.tensor(x))
    np.testing.assert_allclose(beta.numpy(), stats.beta(shape, 2.2).cdf(x), atol=1e-10)
    z = stats.gamma(shape).ppf([0.01, 0.4, 0.6, 0.99]) / 1.7
    gamma = Gamma(torch.tensor(shape), torch.tensor(1.7)).cdf(torch.tensor(z))
    np.testing.assert_allclose(gamma.numpy(), [0.01, 0.4, 0.6, 0.99], atol=1e-9)
    t = np.array([-30.0, -1.0, 0.0, 0.4, 5.0])
    student = StudentT(torch.tensor(shape), 0.0, 1.0).cdf(torch.tensor(t))
    np.testing.assert_allclose(student.numpy(), stats.t(shape).cdf(t), atol=1e-10)


def test_exact_zeros_and_ones_have_their_own_mass() -> None:
    masses = torch.tensor([0.2, 0.7, 0.1])
    law = ZeroOneInflated(Beta(torch.tensor(2.0), torch.tensor(3.0)), masses)
    got = torch.exp(law.log_prob(torch.tensor([0.0, 1.0])))
    torch.testing.assert_close(got, torch.tensor([0.2, 0.1]))
    draws = law.sample((50_000,))
    assert float((draws == 0).double().mean()) == pytest.approx(0.2, abs=0.008)
    assert float((draws == 1).double().mean()) == pytest.approx(0.1, abs=0.006)
    torch.testing.assert_close(
        law.cdf(torch.tensor([-0.1, 0.0, 1.0])), torch.tensor([0.0, 0.2, 1.0])
    )
