"""Pareto smoothing of many cases against ArviZ, case by case."""

from __future__ import annotations

import arviz
import numpy as np
import pytest

from labelppl.psis import pareto_smooth

FROM_LOG_WEIGHTS = hasattr(arviz, "psislw")


def ratios(draws: int, cases: int = 60, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    spread = rng.uniform(0.01, 3, (cases, 1))
    return rng.standard_t(4, (cases, draws)) * spread + rng.normal(0, 300, (cases, 1))


@pytest.mark.skipif(not FROM_LOG_WEIGHTS, reason="ArviZ 1.x keeps psislw elsewhere")
@pytest.mark.parametrize("draws", [24, 50, 225, 1000, 4000])
def test_equals_arviz(draws: int) -> None:
    x = ratios(draws)
    expected, khat = arviz.psislw(x.copy())
    got = pareto_smooth(x)
    np.testing.assert_array_equal(np.isinf(got.khat), np.isinf(khat))
    finite = np.isfinite(khat)
    np.testing.assert_allclose(got.khat[finite], khat[finite], atol=1e-10)
    np.testing.assert_allclose(got.log_weights, expected, atol=1e-10)


@pytest.mark.skipif(not FROM_LOG_WEIGHTS, reason="ArviZ 1.x keeps psislw elsewhere")
def test_repeated_draws_have_tails_of_other_lengths() -> None:
    """Ties may be smoothed in any order among themselves; the set of weights and k-hat are ArviZ's."""
    x = np.round(ratios(1000), 1)
    expected, khat = arviz.psislw(x.copy())
    got = pareto_smooth(x)
    finite = np.isfinite(khat)
    assert len(set((x > np.sort(x)[:, [-96]]).sum(1))) > 3
    np.testing.assert_allclose(got.khat[finite], khat[finite], atol=1e-10)
    np.testing.assert_allclose(np.sort(got.log_weights), np.sort(expected), atol=1e-10)


def test_weights_sum_to_one_and_none_exceeds_the_largest_ratio() -> None:
    x = ratios(500)
    log_weights, _ = pareto_smooth(x)
    np.testing.assert_allclose(np.exp(log_weights).sum(-1), 1, atol=1e-12)
    body = np.argmin(x, -1)[:, None]
    highest = (log_weights - np.take_along_axis(log_weights, body, -1)).max(-1)
    raw = (x - np.take_along_axis(x, body, -1)).max(-1)
    assert (highest <= raw + 1e-9).all()


def test_constant_ratios_are_exact() -> None:
    log_weights, khat = pareto_smooth(np.full((2, 100), 3.7))
    np.testing.assert_allclose(log_weights, -np.log(100), atol=1e-12)
    np.testing.assert_array_equal(khat, 0)


def test_draws_without_weight_stay_without() -> None:
    x = ratios(400)
    x[:, :100] = -np.inf
    log_weights, khat = pareto_smooth(x)
    assert (log_weights[:, :100] == -np.inf).all()
    assert np.isfinite(khat).all()
    np.testing.assert_allclose(np.exp(log_weights).sum(-1), 1, atol=1e-12)


def test_shift_invariance() -> None:
    x = ratios(300)
    one, other = pareto_smooth(x), pareto_smooth(x + 12.5)
    np.testing.assert_allclose(one.log_weights, other.log_weights, atol=1e-9)
    np.testing.assert_allclose(one.khat, other.khat, atol=1e-9)
