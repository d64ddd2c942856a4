"""Laws of angles against scipy, plain quadrature and the CHECK values of the methods page."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from scipy import integrate, special, stats

from labelppl.distributions import (
    AbeLey,
    AxialVonMises,
    FisherLee,
    HalfCircleVonMises,
    MardiaSutton,
    SineBivariateVonMises,
    VonMises,
)


@pytest.mark.parametrize("kappa", [1e-3, 0.5, 5.0, 50.0, 1e4, 1e6, 1e9])
def test_von_mises_density_keeps_its_precision(kappa: float) -> None:
    t = 0.7 + np.linspace(-3, 3, 25) / math.sqrt(kappa + 1)
    got = VonMises(0.7, torch.tensor(kappa)).log_prob(torch.tensor(t)).numpy()
    exact = -2 * kappa * np.sin((t - 0.7) / 2) ** 2 - np.log(2 * np.pi * special.i0e(kappa))
    np.testing.assert_allclose(got, exact, rtol=1e-13, atol=1e-13)
    single = VonMises(
        torch.tensor(0.7, dtype=torch.float32), torch.tensor(kappa, dtype=torch.float32)
    )
    near = single.log_prob(torch.tensor(0.7, dtype=torch.float32))
    assert float(near) == pytest.approx(-math.log(2 * math.pi * special.i0e(kappa)), abs=1e-5)


def test_slope_of_the_log_normaliser_is_the_mean_resultant_length() -> None:
    kappa = torch.tensor(50.0, requires_grad=True)
    (slope,) = torch.autograd.grad(VonMises(0.0, kappa).log_prob(torch.tensor(math.pi / 2)), kappa)
    assert -float(slope) == pytest.approx(0.989949, abs=1e-6)


@pytest.mark.parametrize("kappa", [0.2, 5.0, 49.0, 91.0, 3e3])
def test_von_mises_cdf_against_quadrature(kappa: float) -> None:
    law = VonMises(0.4, torch.tensor(kappa))
    for a in (-3.0, 0.3, 0.4, 0.5, 3.1):
        sd = 1 / math.sqrt(kappa + 1)
        points = [p for p in (0.4 - 9 * sd, 0.4, 0.4 + 9 * sd) if -math.pi < p < a]
        below = integrate.quad(
            lambda x: float(torch.exp(law.log_prob(torch.tensor(x)))),
            -math.pi,
            a,
            points=points or None,
        )[0]
        assert float(law.cdf(torch.tensor(a))) == pytest.approx(below, abs=1e-9)


def test_lower_tail_keeps_relative_precision() -> None:
    law = VonMises(0.0, torch.tensor(91.0))
    x = -0.9
    exact = integrate.quad(
        lambda t: math.exp(91 * (math.cos(t) - math.cos(x))), -math.pi, x, epsabs=0, epsrel=1e-12
    )[0]
    log_exact = math.log(exact) + 91 * (math.cos(x) - 1) - math.log(2 * math.pi * special.i0e(91))
    assert log_exact < -35
    assert float(torch.log(law.cdf(torch.tensor(x)))) == pytest.approx(log_exact, abs=1e-8)


def test_arc_mass_does_not_depend_on_the_representative() -> None:
    law = VonMises(3.0, torch.tensor(4.0))
    a, b = torch.tensor(2.5), torch.tensor(3.9)
    turn = 2 * math.pi
    torch.testing.assert_close(law.cdf(b) - law.cdf(a), law.cdf(b + turn) - law.cdf(a + turn))
    torch.testing.assert_close(law.cdf(a + turn) - law.cdf(a), torch.tensor(1.0))


@pytest.mark.parametrize(
    ("mean", "kappa", "mass"), [(60, 91, 1.0), (60, 2, 0.8842), (10, 5, 0.6476)]
)
def test_mass_on_the_half_circle(mean: float, kappa: float, mass: float) -> None:
    law = HalfCircleVonMises(torch.tensor(math.radians(mean)), torch.tensor(float(kappa)))
    assert float(law.mass) == pytest.approx(mass, abs=5e-5)


def test_half_circle_is_the_truncated_law_and_axial_has_period_pi() -> None:
    mu, kappa = torch.tensor(0.3), torch.tensor(2.0)
    t = torch.linspace(0.05, 3.0, 9)
    plain, half = VonMises(mu, kappa), HalfCircleVonMises(mu, kappa)
    truncated = plain.log_prob(t) - torch.log(
        plain.cdf(torch.tensor(math.pi)) - plain.cdf(torch.tensor(0.0))
    )
    torch.testing.assert_close(half.log_prob(t), truncated, rtol=1e-12, atol=1e-12)
    axial = AxialVonMises(mu, kappa)
    torch.testing.assert_close(axial.log_prob(t), axial.log_prob(t + math.pi))
    doubled = VonMises(2 * mu, kappa).log_prob(2 * t) + math.log(2)
    torch.testing.assert_close(axial.log_prob(t), doubled)


def test_degrees_taken_for_radians_make_the_phase_random() -> None:
    degrees = torch.tensor([60.0, 61.0, 62.0, 63.0])
    offsets = torch.remainder(degrees, 2 * math.pi)
    assert float(offsets.max() - offsets.min()) > 2
    assert float(torch.deg2rad(degrees).max() - torch.deg2rad(degrees).min()) < 0.06


Pair = Callable[[], tuple[Any, tuple[float, float]]]
PAIRS: dict[str, Pair] = {
    "sine": lambda: (
        SineBivariateVonMises(0.3, -0.5, torch.tensor(2.0), 3.0, 1.5),
        (-math.pi, math.pi),
    ),
    "sine, two modes": lambda: (
        SineBivariateVonMises(0.3, -0.5, torch.tensor(0.7), 0.4, 2.5),
        (-math.pi, math.pi),
    ),
    "abe-ley": lambda: (AbeLey(torch.tensor(1.7), 0.8, 0.4, 1.1, 0.6), (0.0, 40.0)),
    "fisher-lee": lambda: (FisherLee(torch.tensor(0.5), 2.0, 1.0, 0.7, -1.4), (-9.0, 11.0)),
    "mardia-sutton": lambda: (
        MardiaSutton(torch.tensor(0.5), 2.0, 1.0, 0.7, torch.tensor([0.5, -0.6])),
        (-15.0, 17.0),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_joint_density_integrates_to_one(name: str) -> None:
    law, (low, high) = PAIRS[name]()
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x = torch.tensor(low + (high - low) * (nodes + 1) / 2)
    w = torch.tensor(weights * (high - low) / 2)
    angle = torch.arange(400) * (2 * math.pi / 400) - math.pi
    grid = torch.stack(torch.broadcast_tensors(angle[:, None], x[None, :]), -1)
    total = (torch.exp(law.log_prob(grid)) * w).sum() * 2 * math.pi / 400
    assert float(total) == pytest.approx(1.0, abs=1e-7)


@pytest.mark.parametrize("name", PAIRS)
def test_samples_of_pairs_fill_cells_as_the_density_says(name: str) -> None:
    law, (low, high) = PAIRS[name]()
    n = 20_000
    draws = law.sample((n,)).numpy()
    angle = np.mod(draws[:, 0] + np.pi, 2 * np.pi) - np.pi
    second = draws[:, 1]
    if "sine" in name:
        second = np.mod(second + np.pi, 2 * np.pi) - np.pi
    angle_edges = np.linspace(-np.pi, np.pi, 7)
    edges = np.quantile(second, [0.2, 0.4, 0.6, 0.8]).round(2)
    edges = np.concatenate([[low], edges, [high]])
    counts = np.histogram2d(angle, second, [angle_edges, edges])[0]
    nodes, weights = np.polynomial.legendre.leggauss(60)
    expected = np.empty_like(counts)
    for i in range(6):
        a, wa = _on(nodes, weights, angle_edges[i], angle_edges[i + 1])
        for j in range(5):
            b, wb = _on(nodes, weights, edges[j], edges[j + 1])
            grid = np.stack(np.meshgrid(a, b, indexing="ij"), -1)
            density = np.exp(law.log_prob(torch.tensor(grid)).numpy())
            expected[i, j] = n * np.einsum("ij,i,j->", density, wa, wb)
    rare = expected < 5
    seen = np.append(counts[~rare], counts[rare].sum())
    due = np.append(expected[~rare], expected[rare].sum() + 1e-9)
    assert stats.chi2.sf(((seen - due) ** 2 / due).sum(), len(due) - 1) > 1e-3


def _on(
    nodes: np.ndarray, weights: np.ndarray, low: float, high: float
) -> tuple[np.ndarray, np.ndarray]:
    return low + (high - low) * (nodes + 1) / 2, weights * (high - low) / 2
