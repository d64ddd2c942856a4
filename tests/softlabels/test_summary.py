"""Summaries against naive loops and the CHECK values of the methods page."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from labelppl.softlabels import summary


def draws(n: int = 4, k: int = 3, s: int = 50, seed: int = 0) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.full(k, 0.7), (n, s)).transpose(0, 2, 1)
    w = rng.dirichlet(np.full(s, 0.5), n)
    return torch.from_numpy(p.copy()), torch.from_numpy(w)


def naive_quantile(p: np.ndarray, w: np.ndarray, level: float) -> float:
    total = 0.0
    for at in np.argsort(p):
        total += w[at]
        if total >= level * w.sum():
            return float(p[at])
    return float(p.max())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 60), st.floats(0.01, 0.99))
def test_quantiles_equal_a_naive_loop(seed: int, s: int, level: float) -> None:
    p, w = draws(3, 4, s, seed)
    p = (p * 8).round() / 8  # ties
    (got,) = summary.quantiles(p, w, [level])
    for i in range(3):
        for k in range(4):
            assert float(got[i, k]) == naive_quantile(p[i, k].numpy(), w[i].numpy(), level)


def test_moments_equal_naive_loops() -> None:
    p, w = draws()
    for i in range(len(p)):
        for k in range(p.shape[1]):
            m = sum(float(w[i, s] * p[i, k, s]) for s in range(p.shape[2]))
            v = sum(float(w[i, s]) * (float(p[i, k, s]) - m) ** 2 for s in range(p.shape[2]))
            log = sum(float(w[i, s]) * np.log(float(p[i, k, s])) for s in range(p.shape[2]))
            assert float(summary.mean(p, w)[i, k]) == pytest.approx(m, abs=1e-12)
            assert float(summary.sd(p, w, summary.mean(p, w))[i, k]) == pytest.approx(
                v**0.5, abs=1e-12
            )
            assert float(summary.weighted_mean(summary.finite_log(p), w)[i, k]) == pytest.approx(
                log, abs=1e-9
            )


def test_dirichlet_check_values() -> None:
    """docs/methods.md §3, Dir(2, 3, 5): H = 1.029653, E[H] = .937302, MI = .092351, pooled concentration 10."""
    s = 400_000
    rng = np.random.default_rng(3)
    p = torch.from_numpy(rng.dirichlet([2, 3, 5], s).T[None].copy())
    w = torch.full((1, s), 1 / s, dtype=torch.float64)
    error = 4 * float(summary.entropy(p, 1).std()) / s**0.5
    m = summary.mean(p, w)
    total, expected = (
        float(summary.entropy(m)),
        float(summary.aleatoric(p, summary.finite_log(p), w)),
    )
    assert total == pytest.approx(1.029653, abs=1e-3)
    assert expected == pytest.approx(0.937302, abs=error)
    assert total - expected == pytest.approx(0.092351, abs=1e-3)
    assert float(summary.concentration(m, summary.sd(p, w, m))) == pytest.approx(10, rel=0.02)


def test_concentration_of_extremes() -> None:
    w = torch.full((1, 4), 0.25, dtype=torch.float64)
    one_hot = torch.tensor([[[1.0, 0, 1, 0], [0, 1, 0, 1]]], dtype=torch.float64)
    certain = torch.full((1, 2, 4), 0.5, dtype=torch.float64)
    for p, expected in ((one_hot, 0.0), (certain, float("inf"))):
        m = summary.mean(p, w)
        assert float(summary.concentration(m, summary.sd(p, w, m))) == expected


def test_information_is_never_negative() -> None:
    p, w = draws(200, 4, 30)
    gain = summary.entropy(summary.mean(p, w)) - summary.aleatoric(p, summary.finite_log(p), w)
    assert float(gain.min()) >= -1e-12


@pytest.mark.parametrize("n", [1, 7, 500])
def test_resampled_draws_keep_the_mean(n: int) -> None:
    p, w = draws(5, 3, 2000)
    kept = summary.resample(p, w, n, 0.37)
    assert kept.shape == (5, 3, n)
    # Systematic resampling: every draw appears n w times, rounded up or down.
    for i in range(5):
        times = (kept[i, 0][:, None] == p[i, 0][None]).sum(0)
        assert bool(((times - n * w[i]).abs() < 1).all())
