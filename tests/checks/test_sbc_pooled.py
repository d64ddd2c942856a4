"""The pooled test: its size whatever the correlation, its power, and what it says it could have found."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from labelppl.checks.sbc_pooled import exchangeable_scores, pooled_spread

DRAWS, PARAMETERS = 100, 9


def _simulations(n: int, sd: float, correlation: float, rng: np.random.Generator):  # type: ignore[no-untyped-def]
    """Truths of spread 1 around a centre and draws of spread ``sd``: scores (n, draws + 1), uniform (n, parameters)."""
    root = np.linalg.cholesky(
        correlation * np.ones((PARAMETERS, PARAMETERS)) + (1 - correlation) * np.eye(PARAMETERS)
    )
    truth = rng.normal(size=(n, PARAMETERS)) @ root.T
    draws = sd * (rng.normal(size=(n, DRAWS, PARAMETERS)) @ root.T)
    scores = np.stack([exchangeable_scores(t, d, rng) for t, d in zip(truth, draws, strict=True)])
    ranks = (draws < truth[:, None]).sum(1)
    return scores, (ranks + rng.random(ranks.shape)) / (DRAWS + 1)


def _found(n: int, sd: float, correlation: float, repetitions: int, level: float = 0.01) -> float:
    """Share of the checks with n simulations that find a fault."""
    rng = np.random.default_rng(int(100 * sd + 10 * correlation))
    hits = [
        pooled_spread(*_simulations(n, sd, correlation, rng), seed=i).p for i in range(repetitions)
    ]
    return float(np.mean(np.array(hits) <= level))


@pytest.mark.parametrize("correlation", [0.0, 0.9])
def test_a_right_posterior_alarms_as_often_as_it_says(correlation: float) -> None:
    """At level .1 over 100 checks: 3 standard errors are .09; plain chi-square alarms in a third at .9."""
    assert abs(_found(50, 1.0, correlation, 100, level=0.1) - 0.1) < 0.09


def test_a_posterior_ten_per_cent_too_narrow_is_found() -> None:
    """100 simulations of 9 independent parameters: power .94 at level .01; a test of one parameter has .02."""
    assert _found(100, 0.9, 0.0, 60) > 0.94 - 3 * np.sqrt(0.94 * 0.06 / 60)


def test_ratio_and_finding() -> None:
    rng = np.random.default_rng(0)
    narrow = pooled_spread(*_simulations(200, 0.8, 0.0, rng), seed=0)
    wide = pooled_spread(*_simulations(200, 1.25, 0.0, rng), seed=0)
    assert narrow.ratio == pytest.approx(0.8, abs=0.05)
    assert "too narrow" in narrow.finding
    assert wide.ratio == pytest.approx(1.25, abs=0.08)
    assert "too wide" in wide.finding
    assert narrow.p < 0.001
    assert wide.p < 0.001


def test_what_could_have_been_found() -> None:
    """Independent parameters: nu = N Q, so that the ratio is exp(-3.418 / sqrt(2 N Q)); one parameter in all: nu = N."""
    rng = np.random.default_rng(1)
    apart = pooled_spread(*_simulations(400, 1.0, 0.0, rng), seed=0).detectable
    assert apart == pytest.approx(np.exp(-3.418 / np.sqrt(2 * 400 * PARAMETERS)), rel=0.01)
    alike = pooled_spread(*_simulations(400, 1.0, 0.999, rng), seed=0).detectable
    assert alike == pytest.approx(np.exp(-3.418 / np.sqrt(2 * 400)), rel=0.01)


def test_scores_are_squares_of_normals_and_ties_are_broken_at_random() -> None:
    rng = np.random.default_rng(2)
    apart = [
        exchangeable_scores(rng.normal(size=PARAMETERS), rng.normal(size=(DRAWS, PARAMETERS)), rng)[
            0
        ]
        for _ in range(300)
    ]
    assert stats.kstest(apart, stats.chi2(PARAMETERS).cdf).pvalue > 1e-3
    tied = np.zeros((DRAWS, PARAMETERS))
    first = np.array([exchangeable_scores(tied[0], tied, rng)[0] for _ in range(300)])
    assert abs(first.mean() - PARAMETERS) < 4 * PARAMETERS * np.sqrt(2 / 300)


def test_without_simulations_nothing_is_said() -> None:
    nothing = pooled_spread(np.zeros((0, DRAWS + 1)), np.zeros((0, 3)), seed=0)
    assert (nothing.p, nothing.detectable) == (1.0, 0.0)
