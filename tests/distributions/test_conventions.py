"""What the methods page says of the laws taken from torch and Pyro: the parametrisations that the families rely on."""

from __future__ import annotations

import pyro.distributions as dist
import pytest
import torch
from scipy import stats

from labelppl.families.exact import CategoricalFactor
from labelppl.features import Column


def test_lkj_density_has_the_known_marginal_correlation() -> None:
    """d = 3, eta = 2: r = 2 Beta(a, a) - 1 with a = eta + (d - 2) / 2 = 2.5, so that Var r = 1 / 6.

    By summing the density over a grid of correlations. torch draws it wrongly beyond d = 2 (variance .215 here, torch 2.13),
    so that draws are no oracle; at d = 2 they are right.
    """
    step = 2 / 80
    axis = torch.arange(-1 + step / 2, 1, step)
    r = torch.cartesian_prod(axis, axis, axis)
    matrix = torch.eye(3).repeat(len(r), 1, 1)
    for column, (i, j) in enumerate(((1, 0), (2, 0), (2, 1))):
        matrix[:, i, j] = matrix[:, j, i] = r[:, column]
    root, failed = torch.linalg.cholesky_ex(matrix)
    inside = failed == 0
    root, r = root[inside], r[inside]
    # |dR / dL| of a correlation matrix is the product of L_ii^(d - i).
    log_prob = dist.LKJCholesky(3, torch.tensor(2.0)).log_prob(root) - root[:, 1, 1].log()
    mass = log_prob.exp() * step**3
    assert float(mass.sum()) == pytest.approx(1, abs=2e-3)
    for column in r.T:
        assert float((mass * column**2).sum()) == pytest.approx(1 / 6, abs=2e-3)
    draws = dist.LKJCholesky(2, torch.tensor(2.0)).sample(torch.Size([5000]))[:, 1, 0]
    assert stats.kstest(draws.numpy(), stats.beta(2, 2, loc=-1, scale=2).cdf).pvalue > 1e-3


def test_gamma_takes_a_rate_and_the_negative_binomial_the_odds_of_success() -> None:
    x = torch.tensor([0.3, 2.0])
    scipy = stats.gamma(1.7, scale=1 / 0.4).logpdf(x.numpy())
    torch.testing.assert_close(dist.Gamma(1.7, 0.4).log_prob(x), torch.tensor(scipy))
    n = torch.arange(6.0)
    by_torch = dist.NegativeBinomial(torch.tensor(3.0), probs=torch.tensor(0.25))
    assert float(by_torch.mean) == pytest.approx(1.0)
    expected = torch.tensor(stats.nbinom(3, 0.75).logpmf(n.numpy()))
    torch.testing.assert_close(by_torch.log_prob(n), expected)
    by_pyro = dist.GammaPoisson(torch.tensor(3.0), torch.tensor(3.0))
    torch.testing.assert_close(by_pyro.log_prob(n), expected)


def test_categorical_predictive_is_a_ratio_of_counts() -> None:
    codes, labels = torch.tensor([0, 0, 1, 2, 2, 2]), torch.tensor([0, 0, 0, 1, 1, 1])
    column = Column(codes, torch.ones(6, dtype=torch.bool))
    alpha = torch.tensor([1.0, 0.5, 2.0])
    made = CategoricalFactor.fit("c", column, labels, 2, alpha)
    new = Column(torch.arange(3), torch.ones(3, dtype=torch.bool))
    got = made.new({"c": new}).log_predictive.exp()
    torch.testing.assert_close(got[:, 0], (torch.tensor([2.0, 1.0, 0.0]) + alpha) / 6.5)
    torch.testing.assert_close(got[:, 1], (torch.tensor([0.0, 0.0, 3.0]) + alpha) / 6.5)
