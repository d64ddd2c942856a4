"""The hip population: exact p(Y|Z), Bayes accuracy, sampling."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special, stats

from labelppl.errors import InputError
from labelppl.phantoms import HipPopulation

POPULATIONS = {
    "default": HipPopulation(),
    "rare": HipPopulation(prevalence=(0.97, 0.03)),
    "wide": HipPopulation(alpha_sd=(8, 12), coverage_concentration=(20, 10)),
}


def naive_posterior(population: HipPopulation, alpha: float, coverage: float) -> np.ndarray:
    """Bayes' rule by hand, with the two densities written out."""
    joint = []
    for k in range(2):
        kappa = 1 / math.radians(population.alpha_sd[k]) ** 2
        angle = math.exp(kappa * math.cos(math.radians(alpha - population.alpha_mean[k]))) / (
            2 * math.pi * special.i0(kappa)
        )
        a = population.coverage_mean[k] * population.coverage_concentration[k]
        b = population.coverage_concentration[k] - a
        beta = coverage ** (a - 1) * (1 - coverage) ** (b - 1) / special.beta(a, b)
        joint.append(population.prevalence[k] * angle * beta)
    return np.asarray(joint) / sum(joint)


@pytest.mark.parametrize("name", POPULATIONS)
def test_p_true_is_bayes_rule(name: str) -> None:
    population = POPULATIONS[name]
    table = population.sample(200, seed=1)
    p_true = table[["p_true_normal", "p_true_dysplastic"]].to_numpy()
    assert p_true.dtype == np.float64
    np.testing.assert_allclose(p_true.sum(axis=1), 1, atol=1e-15)
    naive = [
        naive_posterior(population, a, c) for a, c in zip(table.alpha, table.coverage, strict=True)
    ]
    np.testing.assert_allclose(p_true, naive, rtol=1e-10)


@settings(max_examples=30, deadline=None)
@given(st.floats(20, 90), st.floats(0.05, 0.95))
def test_posterior_equals_scipy_densities(alpha: float, coverage: float) -> None:
    population = HipPopulation()
    normal, dysplastic = (
        stats.vonmises.pdf(
            np.radians(alpha),
            kappa=1 / np.radians(population.alpha_sd[k]) ** 2,
            loc=np.radians(population.alpha_mean[k]),
        )
        * stats.beta.pdf(
            coverage,
            population.coverage_mean[k] * population.coverage_concentration[k],
            (1 - population.coverage_mean[k]) * population.coverage_concentration[k],
        )
        for k in range(2)
    )
    expected = [normal / (normal + dysplastic), dysplastic / (normal + dysplastic)]
    np.testing.assert_allclose(population.posterior(alpha, coverage), expected, rtol=1e-8)


def test_bayes_accuracy_is_about_843() -> None:
    assert HipPopulation().bayes_accuracy() == pytest.approx(0.843, abs=0.001)


@pytest.mark.parametrize("name", POPULATIONS)
def test_bayes_accuracy_equals_monte_carlo(name: str) -> None:
    population = POPULATIONS[name]
    quadrature = population.bayes_accuracy()
    assert quadrature == pytest.approx(population.bayes_accuracy(points=3001), abs=1e-5)
    n = 100_000
    table = population.sample(n, seed=2)
    guess = np.where(table.p_true_normal > 0.5, "normal", "dysplastic")
    hit = (guess == table.diagnosis).mean()
    assert hit == pytest.approx(quadrature, abs=4 * math.sqrt(quadrature * (1 - quadrature) / n))
    best = table[["p_true_normal", "p_true_dysplastic"]].max(axis=1)
    assert best.mean() == pytest.approx(quadrature, abs=4 * best.std() / math.sqrt(n))


def test_bayes_accuracy_of_indistinguishable_classes_is_the_larger_prevalence() -> None:
    same = HipPopulation((0.7, 0.3), (60, 60), (5, 5), (0.5, 0.5), (40, 40))
    assert same.bayes_accuracy() == pytest.approx(0.7, abs=1e-6)


def test_sample_has_the_declared_moments() -> None:
    population, n = HipPopulation(), 40_000
    table = population.sample(n, seed=3)
    for k, name in enumerate(("normal", "dysplastic")):
        of = table[table.diagnosis == name]
        assert len(of) / n == pytest.approx(0.5, abs=4 * 0.5 / math.sqrt(n))
        sd = population.alpha_sd[k]
        assert of.alpha.mean() == pytest.approx(
            population.alpha_mean[k], abs=4 * sd / math.sqrt(len(of))
        )
        assert of.alpha.std() == pytest.approx(sd, rel=0.02)
        mean = population.coverage_mean[k]
        spread = math.sqrt(mean * (1 - mean) / (population.coverage_concentration[k] + 1))
        assert of.coverage.mean() == pytest.approx(mean, abs=4 * spread / math.sqrt(len(of)))
        assert of.coverage.std() == pytest.approx(spread, rel=0.02)


def test_measurements_are_rounded_before_p_true() -> None:
    table = HipPopulation().sample(500, seed=4)
    assert (table.alpha == table.alpha.round(1)).all()
    assert (table.coverage == table.coverage.round(3)).all()
    again = HipPopulation().posterior(table.alpha, table.coverage)
    np.testing.assert_array_equal(again[:, 0], table.p_true_normal)


def test_hips_that_cannot_be_drawn_are_redrawn_with_their_diagnosis() -> None:
    # A fifth of the dysplastic and hardly any normal hips lie below 20 degrees.
    edge = HipPopulation(alpha_mean=(60, 25), alpha_sd=(5, 6))
    n = 20_000
    table = edge.sample(n, seed=5)
    assert table.alpha.between(20, 90).all()
    kept = stats.norm.cdf((25 - 20) / 6)
    assert (table.diagnosis == "dysplastic").mean() == pytest.approx(
        kept / (1 + kept), abs=4 * 0.5 / math.sqrt(n) + 0.002
    )


def test_the_seed_decides() -> None:
    first, again, other = (HipPopulation().sample(30, seed) for seed in (7, 7, 8))
    pd.testing.assert_frame_equal(first, again)
    assert not first.alpha.equals(other.alpha)
    assert list(first.columns) == [
        "id",
        "diagnosis",
        "alpha",
        "coverage",
        "p_true_normal",
        "p_true_dysplastic",
    ]
    assert first.id.is_unique


BAD: dict[str, dict[str, tuple[float, ...]]] = {
    "prevalence": {"prevalence": (0.5, 0.6)},
    "negative prevalence": {"prevalence": (1.5, -0.5)},
    "mean in radians": {"alpha_mean": (1.06, 0.93)},
    "sd": {"alpha_sd": (0.0, 6.0)},
    "percent": {"coverage_mean": (56.0, 46.0)},
    "concentration": {"coverage_concentration": (47.0, -1.0)},
    "nan": {"alpha_mean": (math.nan, 53.0)},
    "nan prevalence": {"prevalence": (math.nan, 0.5)},
    "three classes": {"prevalence": (0.5, 0.25, 0.25)},
}


@pytest.mark.parametrize("name", BAD)
def test_bad_parameters_are_named(name: str) -> None:
    (column,) = BAD[name]
    with pytest.raises(InputError, match=f"^{column}: got .* expected [^\n]*$"):
        HipPopulation(**BAD[name])  # type: ignore[arg-type]


def test_no_cases_are_refused() -> None:
    with pytest.raises(InputError, match="n: got 0"):
        HipPopulation().sample(0, seed=0)
