"""The closed forms against scipy, and their gradients against finite differences."""

from __future__ import annotations

import numpy as np
import pyro.distributions as dist
import pytest
import torch
from scipy import stats

from labelppl.distributions.log_density import log_density
from labelppl.features import Column
from labelppl.model.marginal import observed_log_prob


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize("kappa", [0.01, 1.0, 91.2, 1e4, 1e7])
def test_von_mises(kappa):
    x = np.linspace(-3, 3, 13)
    got = log_density(dist.VonMises(tensor(0.7), tensor(kappa)), torch.from_numpy(x))
    wanted = stats.vonmises.logpdf(x, kappa, loc=0.7)
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12, atol=1e-8)


def test_beta():
    a, b, x = (
        tensor(0.5, 3.0, 40.0, 900.0),
        tensor(0.5, 2.0, 30.0, 1e-3),
        tensor(1e-9, 0.3, 0.6, 1 - 1e-9),
    )
    got = log_density(dist.Beta(a, b), x)
    np.testing.assert_allclose(got.numpy(), stats.beta.logpdf(x, a, b), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("shared", ["everything", "the covariance", "nothing"])
def test_multivariate_normal(shared):
    rng = np.random.default_rng(0)
    loc = rng.normal(size=(5, 3) if shared != "everything" else 3)
    root = np.tril(rng.normal(size=(5, 3, 3) if shared == "nothing" else (3, 3))) + 2 * np.eye(3)
    x = rng.normal(size=(5, 3))
    fn = dist.MultivariateNormal(torch.from_numpy(loc), scale_tril=torch.from_numpy(root))
    got = log_density(fn, torch.from_numpy(x))
    wanted = [
        stats.multivariate_normal.logpdf(x[i], m, t @ t.T)
        for i, (m, t) in enumerate(
            zip(np.broadcast_to(loc, (5, 3)), np.broadcast_to(root, (5, 3, 3)), strict=True)
        )
    ]
    np.testing.assert_allclose(got.numpy(), wanted, rtol=1e-12)


def test_gradients():
    x = tensor(0.3, 0.6)
    for make in (dist.VonMises, dist.Beta):
        at = tensor(0.8, 2.5).requires_grad_()
        assert torch.autograd.gradcheck(
            lambda p, make=make: log_density(make(p[0], p[1], validate_args=False), x), (at,)
        )


def test_other_distributions_speak_for_themselves():
    x = tensor(0.3, -2.0)
    fn = dist.Normal(tensor(0.0, 1.0), 2.0)
    assert torch.equal(log_density(fn, x), fn.log_prob(x))


@pytest.mark.parametrize("shared", [True, False])
def test_unobserved_cases_add_nothing(shared):
    x, seen = tensor(0.2, 0.7, 0.4), torch.tensor([True, False, True])
    for law in (dist.Beta, dist.VonMises, dist.Normal):
        first, second = tensor(0.7, 0.7, 0.7), tensor(3.0, 3.0, 3.0)
        fn = law(first[0], second[0]) if shared else law(first, second)
        got = log_density(fn, x, seen)
        assert got[1] == 0
        torch.testing.assert_close(got[seen], log_density(fn, x)[seen], rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(got[seen], fn.log_prob(x)[seen], rtol=1e-6, atol=1e-6)


def test_marginal_of_a_nearly_singular_normal():
    """Two of three components, all but equal: the covariance itself has no Cholesky factor in float64."""
    root = tensor(1, 0, 0, 1, 1e-12, 0, 0.3, 0.2, 1).reshape(3, 3)
    fn = dist.MultivariateNormal(torch.zeros(3).double(), scale_tril=root, validate_args=False)
    seen = torch.tensor([[True, True, False], [True, False, False]])
    x = tensor(0.3, 0.3 + 2e-12, 0.0, 0.3, 0.0, 0.0).reshape(2, 3)
    got = observed_log_prob("x", fn, Column(x, seen))
    both = stats.norm.logpdf(0.3) + stats.norm.logpdf(2.0) - np.log(1e-12)
    np.testing.assert_allclose(got.numpy(), [both, stats.norm.logpdf(0.3)], rtol=1e-3)
