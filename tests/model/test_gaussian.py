"""Integrals of exp(quadratic) against the multivariate normal and against scipy."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from labelppl.model.gaussian import coefficients, log_integral, log_normal_mass, probes


@settings(max_examples=30, deadline=None)
@given(d=st.integers(1, 5), seed=st.integers(0, 1000))
def test_integral_of_a_scaled_normal_density_is_its_scale(d, seed):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(d, d)) + 1.5 * np.eye(d)
    cov = root @ root.T / d + 0.05 * np.eye(d)
    mean, level = rng.normal(size=d) * 2, rng.normal() * 30
    f = torch.from_numpy(
        np.atleast_1d(stats.multivariate_normal.logpdf(probes(d).numpy(), mean, cov)) + level
    )
    assert log_integral(f, d).item() == pytest.approx(level, abs=1e-8)
    precision = coefficients(f, d)[2]
    assert torch.allclose(precision, torch.from_numpy(np.linalg.inv(cov)), rtol=1e-6, atol=1e-8)
    j = int(rng.integers(d))
    low, high = sorted(rng.normal(mean[j], 2 * math.sqrt(cov[j, j]), 2))
    law = stats.norm(mean[j], math.sqrt(cov[j, j]))
    for a, b in ((low, high), (-math.inf, high), (low, math.inf)):
        bounds = torch.tensor(a).double(), torch.tensor(b).double()
        got = log_integral(f, d, j, *bounds).item()
        assert got == pytest.approx(level + math.log(law.cdf(b) - law.cdf(a)), abs=1e-7)


def test_what_diverges_is_not_a_number():
    f = probes(2).square().sum(-1)
    assert torch.isnan(log_integral(f, 2))


CASES = [
    (-1.0, 2.0),
    (5.0, 6.0),
    (-9.0, -7.0),
    (30.0, 31.0),
    (-40.0, -39.5),
    (12.0, 12.001),
    (-3.0, 300.0),
]


@pytest.mark.parametrize(("a", "b"), CASES)
def test_normal_mass_is_accurate_in_both_tails(a, b):
    no = torch.tensor(False)
    ab = torch.tensor([a, b], dtype=torch.float64, requires_grad=True)
    got = log_normal_mass(ab[0], ab[1], no, no)
    # In the far tail the mass is that of an exponential; scipy's log-difference keeps its accuracy there.
    lo, hi = (-b, -a) if a > 0 else (a, b)
    top, bottom = stats.norm.logcdf(hi), stats.norm.logcdf(lo)
    wanted = top + math.log(-math.expm1(bottom - top))
    assert got.item() == pytest.approx(wanted, rel=1e-9)
    got.backward()
    slope = np.exp(stats.norm.logpdf([a, b]) - wanted) * [-1, 1]
    np.testing.assert_allclose(ab.grad.numpy(), slope, rtol=1e-6, atol=1e-10)


def test_open_ends():
    yes, no = torch.tensor(True), torch.tensor(False)
    a, b = torch.tensor(38.0).double(), torch.tensor(-38.0).double()
    assert log_normal_mass(a, a, no, yes).item() == pytest.approx(stats.norm.logsf(38), rel=1e-12)
    assert log_normal_mass(b, b, yes, no).item() == pytest.approx(stats.norm.logcdf(-38), rel=1e-12)
    assert log_normal_mass(a, b, yes, yes).item() == 0.0
