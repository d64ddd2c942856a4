"""The law of class covariances that share a scale, against quadrature, its own draws and far-off points."""

from __future__ import annotations

import math

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from scipy import integrate, stats

from labelppl.distributions import SharedCovariances, SharedSizes, SharedSpread

F64 = torch.float64
WORTH = 2.0 ** np.arange(8)
ALPHA = 2.0 ** np.arange(6)


def test_one_number_against_quadrature_over_the_shared_scale() -> None:
    """d = 1: sigma_k^2 | S ~ InverseGamma(delta / 2, delta S / 2), S ~ Gamma(alpha / 2, alpha / (2 v))."""
    sd, v, floor = np.array([0.7, 1.9]), 1.3**2, 0.05
    total = 0.0
    for worth, share in zip(WORTH, (1 / WORTH) / (1 / WORTH).sum(), strict=True):
        for alpha in ALPHA:

            def joint(log_s: float, worth: float = worth, alpha: float = alpha) -> float:
                s = math.exp(log_s)
                classes = stats.invgamma(worth / 2, scale=worth * s / 2).logpdf(sd**2).sum()
                scale = stats.gamma(alpha / 2, scale=2 * v / alpha).logpdf(s) + log_s
                return math.exp(classes + scale)

            total += share / len(ALPHA) * integrate.quad(joint, -12, 6, limit=200)[0]
    expected = math.log(total) - floor / 2 * (1 / sd**2).sum() + np.log(2 * sd).sum()
    unit = torch.ones(1, dtype=F64)
    law = SharedCovariances(
        torch.tensor([1.3], dtype=F64), unit, torch.ones(2, dtype=F64), floor=floor
    )
    got = law.log_prob(torch.tensor(sd, dtype=F64)[:, None, None])
    assert float(got) == pytest.approx(expected, abs=1e-6)


def test_units_change_the_density_by_their_jacobian() -> None:
    torch.manual_seed(0)
    unit = torch.tensor([2.0, 0.1], dtype=F64)
    one = SharedCovariances(
        torch.tensor([0.8, 1.5], dtype=F64), torch.ones(2, dtype=F64), torch.ones(3, dtype=F64)
    )
    other = SharedCovariances(
        unit * torch.tensor([0.8, 1.5], dtype=F64), unit, torch.ones(3, dtype=F64)
    )
    root = one.sample()
    # Of each lower triangle, row i has i numbers in units of unit_i.
    jacobian = 3 * (torch.tensor([1.0, 2.0]) * torch.log(unit)).sum()
    torch.testing.assert_close(other.log_prob(unit[:, None] * root), one.log_prob(root) - jacobian)


def test_draws_without_a_floor_follow_the_density() -> None:
    """E[d log p / d log sigma] = -1 for d = 1 (Stein), spread given."""
    torch.manual_seed(0)
    one = torch.ones(1, dtype=F64)
    law = SharedCovariances(one, one, torch.ones(2, dtype=F64), floor=0.0)
    draws = law.sample((20_000,)).requires_grad_()
    (score,) = torch.autograd.grad(law.log_prob(draws).sum(), draws)
    value = (score * draws).detach()[..., 0, 0]
    error = value.std(0) / math.sqrt(len(value))
    assert bool(((value.mean(0) + 1).abs() < 4.5 * error).all())


def test_draws_of_two_numbers_and_of_sizes_follow_their_densities() -> None:
    """Scaling class k by e^t moves log p of its root by -d per unit of t on average, and log p(c) by -1 (Stein)."""
    torch.manual_seed(0)
    n, one = 20_000, torch.ones(2, dtype=F64)
    sizes = SharedSizes(one, one, 2, floor=0.0)
    size = sizes.sample((n,))
    # log c is what the law is smooth in; near 0 the density of c itself has a pole.
    log_size = size.log().requires_grad_()
    (score,) = torch.autograd.grad(
        (sizes.log_prob(log_size.exp()) + log_size.sum(-1)).sum(), log_size
    )
    error = score.std(0) / math.sqrt(n)
    assert bool((score.mean(0).abs() < 4.5 * error).all())
    law = SharedCovariances(one, one, torch.tensor([0.1, 4.0], dtype=F64), floor=0.0)
    root = law.sample((n,)).requires_grad_()
    (score,) = torch.autograd.grad(law.log_prob(root).sum(), root)
    value = (score * root).detach().sum((-2, -1))
    error = value.std(0) / math.sqrt(n)
    assert bool(((value.mean(0) + 3).abs() < 4.5 * error).all())


def test_the_spread_is_half_cauchy_and_its_draws_pass_the_floor() -> None:
    torch.manual_seed(0)
    unit = torch.tensor([3.0], dtype=F64)
    value = torch.tensor([[0.1], [4.0]], dtype=F64)
    expected = dist.HalfCauchy(unit).log_prob(value)[:, 0]
    torch.testing.assert_close(SharedSpread(unit, 2).log_prob(value), expected)
    free = SharedSpread(unit, 2, floor=0.0).sample((4000,))
    held = SharedSpread(unit, 2, floor=0.5).sample((4000,))
    assert float(free.median()) == pytest.approx(3.0, rel=0.1)
    # A floor of half the table's variance leaves few spreads far below it.
    assert float((held < 0.6).double().mean()) < 0.5 * float((free < 0.6).double().mean())


def test_points_far_off_are_impossible_and_not_an_error() -> None:
    one = torch.ones(2, dtype=F64)
    law = SharedCovariances(one * 1e150, one, one)
    root = torch.eye(2, dtype=F64).expand(2, 2, 2) * 1e-150
    root = root + torch.tensor([[0.0, 0.0], [1e150, 0.0]], dtype=F64)
    assert not float(law.log_prob(root)) > -1e6
